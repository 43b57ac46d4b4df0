"""What a fault and its recovery left behind in the guest: everything of ours that is not expected on a healthy host.

Nothing is looked for by the name of a culprit: whatever is in the cgroups of the mount, of the product and of its
transient units counts, except what a healthy host has there. What comes and goes is no leftover: only what is still
there after ten seconds of looking is told.
"""
import glob
import json
import os
import re
import subprocess
import time

MOUNT_POINT = '/home/sftp'
STATE = '/var/run/efs'
AGENT, SSHD = 's3files-sftp-agent.service', 's3files-sftp-sshd.service'
UNMOUNT, WATCHDOG = 's3files-sftp-unmount.service', 'amazon-efs-mount-watchdog.service'
OURS = re.compile(r'/(home-sftp\.mount|s3files-sftp-[^/]+|run-[^/]+\.(?:service|scope)|%s)(?:/|$)' % re.escape(WATCHDOG))
LOOKING_SECONDS = 10
# unmount_grace_period_sec of the helper's watchdog, its five looks before that, and what slow processors add.
UNMOUNTED_SECONDS = 30 + 15


def left(attempts, tidied):
    """@param attempts to mount that were made meanwhile: each may have a state file still, for the helper's watchdog
    @param tidied whether that must have taken all of them away by now"""
    found = look(attempts, tidied)
    deadline = time.monotonic() + LOOKING_SECONDS
    while found and time.monotonic() < deadline:
        time.sleep(1)
        again = set(look(attempts, tidied))
        found = [each for each in found if each in again]
    return found


def look(attempts, tidied):
    return [*mounts(), *state_files(attempts, tidied), *processes(), *units()]


def read(path):
    try:
        with open(path) as file:
            return file.read()
    except OSError:
        return ''


def output(*argv):
    return subprocess.run(argv, stdout=subprocess.PIPE, text=True).stdout


def mounts():
    lines = [line.split() for line in read('/proc/1/mountinfo').splitlines()]
    count = sum(line[4] == MOUNT_POINT for line in lines)
    return ['%d mounts on %s' % (count, MOUNT_POINT)] if count != 1 else []


def mounted_ports():
    return {option[5:] for line in read('/proc/1/mountinfo').splitlines() if ' - nfs4 ' in line
            for option in line.split()[-1].split(',') if option.startswith('port=')}


def states():
    """The helper's state files by path; those of attempts, `~NAME`, are not among them."""
    found = {}
    for path in glob.glob(STATE + '/fs-*'):
        if path.endswith(('+', '.tmp')):
            continue
        try:
            found[path] = json.loads(read(path))
        except ValueError:
            pass  # half written, or gone: another look sees
    return found


def state_files(attempts, tidied):
    ports, known = mounted_ports(), states()
    old = {path: state for path, state in known.items() if path.rpartition('.')[2] not in ports}
    found = ['a state file of an attempt: ' + path for path in glob.glob(STATE + '/~fs-*')]
    found += ['a state file, and its mount went long ago: ' + path for path, state in old.items()
              if time.time() - state.get('unmount_time', time.time()) > UNMOUNTED_SECONDS]
    if len(old) > (0 if tidied else attempts):
        found.append('%d state files without a mount, after %d attempts' % (len(old), attempts))
    names = {os.path.basename(path).lstrip('~') for path in [*known, *glob.glob(STATE + '/~fs-*')]}
    for path in [*glob.glob(STATE + '/fs-*+'), *glob.glob(STATE + '/stunnel-config.*')]:
        name = os.path.basename(path).rstrip('+')
        if name.replace('stunnel-config.', '') not in names:
            found.append('of no state file: ' + path)
    return found


def main_pids():
    text = output('systemctl', 'show', '--property=MainPID', AGENT, SSHD, WATCHDOG)
    return [int(line.partition('=')[2]) for line in text.splitlines() if line.startswith('MainPID=')]


def processes():
    main, proxies = main_pids(), {state.get('pid') for state in states().values()}
    found, children = [], set()
    for stat in glob.glob('/proc/[0-9]*/stat'):
        text = read(stat)
        if not text:
            continue
        pid, comm = int(stat.split('/')[2]), text[text.index('(') + 1:text.rindex(')')]
        state, parent = text[text.rindex(')') + 2:].split()[:2]
        cgroup = read('/proc/%d/cgroup' % pid).strip()
        if cgroup == '0::/':
            continue  # the kernel's own
        match = OURS.search(cgroup)
        unit = match.group(1) if match else ''
        # Reading it of a process that hangs can hang, too.
        command = comm if state in 'DZ' else read('/proc/%d/cmdline' % pid).replace('\0', ' ').strip() or comm
        if state == 'D':
            found.append('stuck in the kernel: %s, %d (%s)' % (comm, pid, read('/proc/%d/wchan' % pid)))
        elif state == 'Z':
            if unit:
                found.append('a zombie of %s: %s, %d' % (unit, comm, pid))
        elif comm == 'efs-proxy':
            if pid not in proxies:
                found.append('a proxy without a state file: %d' % pid)
        elif unit and pid not in main:
            kind = lasting(command) if unit == AGENT and int(parent) in main else None
            if kind is None or kind in children:
                found.append('still there: %s, %d, in %s' % (command[:100], pid, unit))
            children.add(kind)
    return found


def lasting(command):
    """The children that a healthy agent has all the time, one of each: who follows the journal, and who watches the
    partners' directories."""
    match = re.match(r'(?:\S*/)?(journalctl) .*--follow|.*/s3files-sftp/main\.js (witness)', command)
    return match and (match.group(1) or match.group(2))


def units():
    listed = output('systemctl', 'list-units', '--all', '--plain', '--no-legend', '--type=service,scope,timer',
                    's3files-sftp-*', 'run-*')
    found = []
    for line in listed.splitlines():
        name, _, active = line.split()[:3]
        if name in (AGENT, SSHD, UNMOUNT) or active == 'inactive':
            continue
        found.append('a unit that is %s: %s' % (active, name))
    failed = output('systemctl', '--failed', '--plain', '--no-legend')
    return found + ['failed unit: ' + line.split()[0] for line in failed.splitlines() if line.strip()]
