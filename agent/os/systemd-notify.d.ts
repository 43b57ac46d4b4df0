/** npm's systemd-notify 1.0.0 ships no types; it runs systemd-notify(1) and rejects with what that wrote. */
declare module 'systemd-notify' {
  interface Notification {
    readonly ready?: boolean;
    readonly status?: string;
    readonly pid?: number;
  }
  function notify(notification: Notification): Promise<unknown>;
  export = notify;
}
