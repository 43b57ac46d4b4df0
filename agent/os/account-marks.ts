/** The group that every partner's account is in; the partner sshd lets nobody else in. */
export const MARKER_GROUP = 's3files-sftp';
/** The comment field of every partner's account. */
export const GECOS = 's3files-sftp partner';
/** The account whose logins show whether sessions' lines arrive; packaging/rpm/sysusers.conf makes it. */
export const PROBE_USER = 's3files-sftp-probe';
/** A home on the mount would hang every login while the mount hangs; sessions start in the chroot instead. */
export const HOME = '/';
export const SHELL = '/sbin/nologin';
