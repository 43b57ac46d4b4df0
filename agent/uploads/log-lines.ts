import type { Superseded, Verdict } from './delivery-plan.ts';
import type { Activity, Actor, Outcome } from './outcome.ts';
import type { LogLine, Outstanding, Upload } from './state.ts';

/**
 * The agent's lines about partners, with the names of Transfer Family's structured log where it has the same thing
 * (https://docs.aws.amazon.com/transfer/latest/userguide/structured-logging.html), so that queries port.
 */

type Fields = Record<string, string | number | boolean | null>;

export interface ObjectName {
  readonly bucket: string;
  readonly key: string;
  readonly exportError: string | null;
}

function whose(upload: Pick<Upload, 'session' | 'user' | 'address' | 'path' | 'uploadedAs'>): Fields {
  return {
    user: upload.user,
    'session-id': upload.session,
    'source-ip': upload.address,
    path: upload.path,
    ...(upload.uploadedAs !== null && { 'uploaded-as': upload.uploadedAs }),
  };
}

export function wholeLine(upload: Upload): LogLine {
  const fields: Fields = {
    'event-id': upload.id,
    'activity-type': 'CLOSE',
    ...whose(upload),
    'bytes-in': upload.bytes,
    'closed-at': isoOf(upload.closedAt),
  };
  if (upload.size === null && upload.bytes !== null) fields.resumed = true;
  if (upload.approximate === true) fields.approximate = true;
  if (!upload.cut) return { level: 'info', message: 'upload complete', fields };
  // The same words, so that one query finds every upload.
  return { level: 'warn', message: 'upload complete', fields: { ...fields, note: CUT_NAME } };
}

export function partialLine(upload: Upload, reason: string): LogLine {
  return {
    level: 'warn',
    message: reason === 'interrupted' ? 'upload interrupted' : 'upload failed',
    fields: {
      'event-id': upload.id,
      'activity-type': 'PARTIAL_CLOSE',
      ...whose(upload),
      'bytes-in': upload.bytes,
      'closed-at': isoOf(upload.closedAt),
      reason,
    },
  };
}

const CUT_NAME = 'sshd cut the end of the name off the log, so it is not followed to the bucket';

/** A file whose name is too long for sshd's log: whether it was read or written is unknown. */
export function unknownLine(outcome: Extract<Outcome, { kind: 'unknown' }>): LogLine {
  const { id, at, actor, beginning } = outcome;
  const line = activityLine({
    id,
    at,
    type: 'UNKNOWN',
    level: 'warn',
    actor,
    message: 'a file was read or written; sshd cut its name off the log, so it is not counted',
    path: beginning,
  });
  return { ...line, fields: { ...line.fields, cut: true } };
}

interface Told {
  readonly id: string;
  readonly at: number;
  readonly type: string;
  readonly message: string;
  readonly level?: Activity['level'];
  readonly actor: Actor | null;
  readonly fields?: Fields;
  readonly path?: string;
  readonly from?: string;
  readonly to?: string;
}

export function activityLine(told: Told): LogLine {
  const { actor } = told;
  const fields: Fields = { 'event-id': told.id, 'activity-type': told.type };
  if (actor !== null) {
    fields.user = actor.user;
    fields['session-id'] = actor.session;
    fields['source-ip'] = actor.address;
  }
  if (told.path !== undefined) fields.path = told.path;
  if (told.from !== undefined) fields.path = told.from;
  if (told.to !== undefined) fields['new-path'] = told.to;
  Object.assign(fields, told.fields);
  fields.at = isoOf(told.at);
  return { level: told.level ?? 'info', message: told.message, fields };
}

export function deliveredLine(
  item: Outstanding,
  verdict: Extract<Verdict, { kind: 'delivered' }>,
  object: ObjectName,
): LogLine {
  return {
    level: verdict.late || verdict.otherSize ? 'warn' : 'info',
    message: verdict.late ? 'upload delivered late' : 'upload delivered',
    fields: {
      'event-id': `${item.id}.receipt`,
      ...objectFields(item, object),
      'version-id': verdict.found.versionId,
      etag: verdict.found.etag,
      bytes: verdict.found.bytes,
      'lag-seconds': verdict.lagSeconds,
      ...(verdict.otherSize && { 'bytes-written': item.size, note: OTHER_SIZE }),
    },
  };
}

const OTHER_SIZE =
  'the object has not the bytes that were written: some were written twice, cut off, or by another writer';

export function overdueLine(item: Outstanding, reason: string, object: ObjectName): LogLine {
  return {
    level: 'error',
    message: 'upload undelivered',
    fields: {
      'event-id': `${item.id}.undelivered`,
      ...objectFields(item, object),
      bytes: item.size,
      'closed-at': isoOf(item.closedAt),
      reason,
      'export-error': object.exportError,
    },
  };
}

export function givenUpLine(item: Outstanding, reason: string, object: ObjectName): LogLine {
  return {
    level: 'error',
    message: 'upload never delivered; it is followed no longer',
    fields: { 'event-id': `${item.id}.given-up`, ...objectFields(item, object), bytes: item.size, reason },
  };
}

const SUPERSEDED = {
  overwritten: 'upload overwritten before its version was seen in the bucket',
  deleted: 'upload deleted before its version was seen in the bucket',
  'not followed':
    'upload not followed to the bucket: too many are on their way, or its name is too long for the log',
} as const;

export function supersededLine({ item, why }: Superseded): LogLine {
  return {
    level: why === 'not followed' ? 'warn' : 'info',
    message: SUPERSEDED[why],
    fields: {
      'event-id': `${item.id}.superseded`,
      'upload-id': item.id,
      user: item.user,
      'session-id': item.session,
      path: item.path,
      why,
    },
  };
}

/** A stretch of the log that could not be read: what happened in it is unknown, not zero. */
export function gapLine(id: string, at: number, reason: string): LogLine {
  return {
    level: 'error',
    message: 'a gap in the log: uploads in it are neither counted nor followed',
    fields: { 'event-id': `${id}.gap`, reason, at: isoOf(at) },
  };
}

function objectFields(item: Outstanding, object: ObjectName): Fields {
  return {
    'upload-id': item.id,
    user: item.user,
    'session-id': item.session,
    path: item.path,
    bucket: object.bucket,
    key: object.key,
  };
}

function isoOf(at: number): string {
  return new Date(at).toISOString();
}
