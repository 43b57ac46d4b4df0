"""What mount.s3files mounts in a virtual machine: NFS 4.2 through efs-proxy, with the real helper's options and retries.

See src/efs_utils_common/mount_utils.py and proxy.py of https://github.com/aws/efs-utils, version 3.2.0.
"""
import os
import socket
import subprocess
import sys
import time

EXPORTS = '/srv/s3files'
SERVER = ('127.0.0.1', 20490)
# DEFAULT_NFS_MOUNT_COMMAND_TIMEOUT_SEC and _RETRY_COUNT; the last of them waits without bound.
TIMEOUT_SECONDS = 15
ATTEMPTS = 3
DEFAULTS = 'nfsvers=4.2,rsize=1048576,wsize=1048576,hard,timeo=600,retrans=2,noresvport'
# Not NFS's business: those of the helper itself, and of systemd.
HELPERS_OWN = ('_netdev', 'tls', 'iam', 'azid=', 'region=', 'mounttargetip=', 'tlsport=')


def exists(fs_id):
    return os.path.isdir('%s/%s' % (EXPORTS, fs_id))


def listens(port):
    with socket.socket() as probe:
        return probe.connect_ex(('127.0.0.1', port)) == 0


class Attempt:
    def __init__(self, fs_id, path, mount_point, port, options, state, name, log):
        self.path, self.mount_point, self.port, self.options = path, mount_point, port, options
        self.config, self.name, self.log = '%s/stunnel-config.%s' % (state, name), name, log
        self.proxy = None

    def start_proxy(self):
        with open(self.config, 'w') as file:
            file.write('accept = 127.0.0.1:%d\nconnect = %s:%d\nlog = /var/log/amazon/efs/%s.efs-proxy.log\n'
                       % (self.port, *SERVER, self.name))
        self.proxy = subprocess.Popen(['/usr/bin/efs-proxy', self.config, '--tls'], stdin=subprocess.DEVNULL,
                                      stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True,
                                      cwd='/')
        # The real helper looks, too, whether it can connect before it mounts.
        deadline = time.monotonic() + 10
        while not listens(self.port) and time.monotonic() < deadline:
            time.sleep(0.1)
        return self.proxy

    def mount(self):
        """Returns the proxy; ends the program, as the helper does, when mount.nfs4 fails for good."""
        options = [each for each in self.options if not each.startswith(HELPERS_OWN)]
        command = ['/sbin/mount.nfs4', '127.0.0.1:' + self.path, self.mount_point, '-o',
                   ','.join(['rw', DEFAULTS, *options, 'port=%d' % self.port])]
        for attempt in range(1, ATTEMPTS + 1):
            child = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
            last = attempt == ATTEMPTS
            try:
                _, error = child.communicate(timeout=None if last else TIMEOUT_SECONDS)
            except subprocess.TimeoutExpired:
                child.kill()
                self.say('timeout after %d sec' % TIMEOUT_SECONDS, attempt, 0)
                continue
            if child.returncode == 0:
                return self.proxy
            if last or b'reset by peer' not in error:
                self.log('ERROR', 'Failed to mount 127.0.0.1:/ at %s: returncode=%d, stderr="%s"'
                         % (self.mount_point, child.returncode, error.strip()))
                print(error.strip(), file=sys.stderr)
                sys.exit(child.returncode)
            pause = 1.5 ** (attempt - 1)
            self.say(error, attempt, pause)
            time.sleep(pause)

    def say(self, error, attempt, pause):
        self.log('ERROR', 'Mounting 127.0.0.1:/ to %s failed due to %s, mount attempt %d/%d, wait %d sec before next '
                 'attempt.' % (self.mount_point, error, attempt, ATTEMPTS, pause))
        sys.stderr.write('Mount attempt %d/%d failed due to %s, wait %d sec before next attempt.\n'
                         % (attempt, ATTEMPTS, error, pause))
