/** What guest/collect.py tells of a cell; times are the guest's, in seconds since 1970. */
export interface Evidence {
  readonly events: ReadonlyArray<{ readonly t: number; readonly kind: string; readonly value: unknown }>;
  readonly partners: readonly PartnerEvent[];
  /** The agent's own log. */
  readonly journal: ReadonlyArray<Readonly<Record<string, unknown>>>;
  /** Files that a partner was told are there, and are not, or not whole. */
  readonly lost: ReadonlyArray<{ readonly user: string; readonly name: string; readonly bytes: number }>;
  readonly wrongDisk: { readonly names: readonly string[]; readonly immutable: boolean };
  readonly left: readonly string[];
}

export interface PartnerEvent {
  readonly t: number;
  readonly user: string;
  readonly what: 'upload' | 'session';
  readonly outcome: string;
  readonly seconds?: number;
}
