import { describe, expect, it } from 'vitest';
import { createLog } from '../../agent/log.ts';
import { activityLine, deliveredLine, partialLine, wholeLine } from '../../agent/uploads/log-lines.ts';
import type { LogLine, Outstanding, Upload } from '../../agent/uploads/state.ts';
import { insightsQuery, LOG_TABLES } from '../../provision/log-queries.ts';

describe('the log tables', () => {
  const upload: Upload = {
    id: 'c1.close',
    session: 's1',
    user: 'acme',
    address: '203.0.113.9',
    // A name that tries to pass for somebody else's upload.
    path: '/upload/a","user":"bravo","activity-type":"AUTH_FAILURE',
    uploadedAs: null,
    bytes: 1234,
    size: 1234,
    cut: false,
    openedAt: null,
    renamedAt: null,
    closedAt: 0,
  };
  const written = ({ level, message, fields }: LogLine) => {
    let line = '';
    createLog('info', { write: (text) => (line = text.trim()) })[level](fields, message);
    return line;
  };
  /** As the agent writes it, and as the shipper files it: inside JSON of its own. */
  const forms = (line: LogLine) => [
    written(line),
    JSON.stringify({ body: { MESSAGE: written(line), _PID: '7' } }),
  ];
  /** What a query's patterns take out of a line; JavaScript's engine agrees with Insights on these. */
  const taken = (title: string, message: string): Record<string, string> => {
    const table = LOG_TABLES.find((each) => each.title === title);
    if (!table) throw new Error(title);
    return Object.assign(
      {},
      ...insightsQuery(table).map((part) => {
        const source = part.match(/^parse @message \/(.*)\/$/)?.[1];
        return source === undefined ? {} : new RegExp(source).exec(message)?.groups;
      }),
    );
  };

  it('find partner, kind and size in an upload’s line', () => {
    for (const message of forms(wholeLine(upload))) {
      expect(taken('Uploads per partner', message)).toEqual({ kind: 'CLOSE', partner: 'acme', size: '1234' });
    }
  });

  it('find partner and reason in a broken upload’s line', () => {
    for (const message of forms(partialLine(upload, 'interrupted'))) {
      const found = taken('Uploads that broke off, per partner', message);
      expect(found).toEqual({ kind: 'PARTIAL_CLOSE', partner: 'acme', cause: 'interrupted' });
    }
  });

  it('find refused names in a login’s line', () => {
    const fields = { user: 'root', 'source-ip': '198.51.100.1' };
    const line = activityLine({
      id: 'c2',
      at: 0,
      type: 'AUTH_FAILURE',
      message: 'authentication failed',
      actor: null,
      fields,
    });
    for (const message of forms(line)) {
      expect(taken('Refused logins per user name and address', message)).toEqual({
        kind: 'AUTH_FAILURE',
        partner: 'root',
        source: '198.51.100.1',
      });
    }
  });

  it('find partner and seconds in a receipt', () => {
    const item = { id: 'c1.close', session: 's1', user: 'acme', path: '/upload/a' } as Outstanding;
    const found = { versionId: 'v', etag: 'e', bytes: 1234 };
    const verdict = { kind: 'delivered', late: false, lagSeconds: 71, found } as Parameters<
      typeof deliveredLine
    >[1];
    const line = deliveredLine(item, verdict, { bucket: 'b', key: 'acme/upload/a', exportError: null });
    for (const message of forms(line)) {
      expect(taken('Deliveries per partner (seconds until in the bucket)', message)).toMatchObject({
        event: 'c1.close.receipt',
        partner: 'acme',
        lag: '71',
      });
    }
  });

  it('find severity and text in any line', () => {
    const line: LogLine = { level: 'error', message: 'upload undelivered', fields: {} };
    for (const message of forms(line)) {
      expect(taken('Warnings and errors of the agent', message)).toEqual({
        severity: 'error',
        message: 'upload undelivered',
      });
    }
  });
});
