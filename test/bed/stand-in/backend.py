"""What mount.s3files mounts in a container: a FUSE pass-through of /srv/s3files/fs-ID, whose daemon is the proxy."""
import ctypes
import os
import platform
import struct
import subprocess
import time

BACKING = '/srv/s3files,fuse'
# The real one waits 15 s twice and then without bound for a port that nobody answers.
TIMEOUT_SECONDS = 1


def exists(fs_id):
    return os.path.isdir('%s/%s' % (BACKING, fs_id))


class Attempt:
    def __init__(self, fs_id, path, mount_point, port, options, state, name, log):
        self.fs_id, self.path, self.mount_point = fs_id, path, mount_point
        self.port, self.options, self.name = port, options, name

    def start_proxy(self):
        """Nothing yet: what serves a FUSE mount is what mounts it."""

    def mount(self):
        """Starts the FUSE daemon as `efs-proxy`, in its own session. Returns it, or None when it does not mount."""
        # The agent reads the port from mountinfo, and libfuse lets nothing into the superblock's options: the port is
        # in the source. bindfs puts its source directory there, unless that has a comma in it, as BACKING has.
        fuse = ['fsname=127.0.0.1:/\\,port=%d' % self.port, 'default_permissions', 'noatime']
        fuse += [each for each in self.options if each in ('ro', 'nosuid', 'nodev', 'noexec')]
        source = '%s/%s%s' % (BACKING, self.fs_id, self.path)
        command = ['/usr/bin/efs-proxy', '-f', '--xattr-ro', '--hide-hard-links', '-o', ','.join(fuse), source,
                   self.mount_point]
        proxy_log = open('/var/log/amazon/efs/%s.efs-proxy.log' % self.name, 'a')
        proxy = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=proxy_log, stderr=proxy_log,
                                 start_new_session=True, cwd='/', preexec_fn=forbid_hard_links)
        deadline = time.monotonic() + 10
        while not mounted(self.mount_point):
            if proxy.poll() is not None or time.monotonic() > deadline:
                return None
            time.sleep(0.01)
        return proxy


def mounted(mount_point):
    with open('/proc/self/mountinfo') as lines:
        return any(line.split()[4] == mount_point for line in lines)


def forbid_hard_links():
    """S3 Files has none; a FUSE pass-through would. seccomp makes link(2) fail with EOPNOTSUPP in the daemon."""
    numbers = {'x86_64': (86, 265), 'aarch64': (37,)}[platform.machine()]
    code = [(0x20, 0, 0, 0)]  # load the system call's number
    for index, number in enumerate(numbers):
        code.append((0x15, len(numbers) - index, 0, number))  # if equal: jump to the last instruction
    code.append((0x06, 0, 0, 0x7FFF0000))  # SECCOMP_RET_ALLOW
    code.append((0x06, 0, 0, 0x00050000 | 95))  # SECCOMP_RET_ERRNO, EOPNOTSUPP
    filters = ctypes.create_string_buffer(b''.join(struct.pack('HBBI', *line) for line in code))
    program = struct.pack('HxxxxxxP', len(code), ctypes.addressof(filters))
    if ctypes.CDLL(None, use_errno=True).prctl(22, 2, program, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), 'prctl(PR_SET_SECCOMP)')
