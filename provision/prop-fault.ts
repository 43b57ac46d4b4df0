export interface PropFault {
  readonly prop: string;
  readonly value: unknown;
  /** What is wrong, and what to write instead. */
  readonly fix: string;
}
