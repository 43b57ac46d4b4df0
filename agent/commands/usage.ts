/** What `s3files-sftp help` prints; s3files-sftp(8) says it at length. */
export const USAGE = `usage: s3files-sftp COMMAND [--json]

  status [--wait healthy] [--timeout SECONDS]   the agent's state; exit 0 healthy, 1 not, 3 not running
  doctor                                        checks this host and says how to mend what is wrong
  plan                                          what the next sync of the accounts would do
  sync [--approve HASH]                         syncs the accounts now; lets one held plan through
  maintenance on|off                            refuses partners while you work on the mount
  config check [FILE]                           says whether a configuration is valid
  version, help`;
