"""Tells as JSON what is to be known about a cell: `collect.py SINCE`, SINCE by the guest's clock.

  events, partners   what observer.py and partners.py wrote since then
  journal            the agent's own log lines since then
  lost               files that a partner was told are there, and are not, or not whole
  wrongDisk          what lies in the directory below the mount
  left               processes and mounts that should not be there any more
"""
import glob
import hashlib
import json
import os
import subprocess
import sys

DIRECTORY = '/run/bed'
EXPORT = '/srv/s3files/fs-0123456789abcdef0'
MOUNT_POINT = '/home/sftp'
STATE = '/var/run/efs'


def lines(path, since):
    try:
        with open(path) as file:
            entries = [json.loads(line) for line in file]
    except FileNotFoundError:
        return []
    return [entry for entry in entries if entry['t'] >= since]


def journal(since):
    text = subprocess.run(['journalctl', '--unit=s3files-sftp-agent', '--output=cat', '--since=@%.3f' % since],
                          stdout=subprocess.PIPE, text=True).stdout
    return [json.loads(line) for line in text.splitlines() if line.startswith('{')]


def lost(partners):
    """Of all uploads of the virtual machine's life, not only of this cell."""
    missing = []
    for each in partners:
        if each['what'] != 'upload' or each['outcome'] != 'ok':
            continue
        try:
            with open('%s/%s/upload/%s' % (EXPORT, each['user'], each['name']), 'rb') as file:
                whole = hashlib.sha256(file.read()).hexdigest() == each['sha256']
        except FileNotFoundError:
            whole = False
        if not whole:
            missing.append({'user': each['user'], 'name': each['name'], 'bytes': each['bytes']})
    return missing


def wrong_disk():
    """Looks below the mount, at the root file system alone."""
    subprocess.run(['mount', '--bind', '/', '/mnt'], check=True)
    try:
        below = '/mnt' + MOUNT_POINT
        attributes = subprocess.run(['lsattr', '-d', below], stdout=subprocess.PIPE, text=True).stdout.split()
        return {'names': os.listdir(below), 'immutable': 'i' in (attributes or [''])[0]}
    finally:
        subprocess.run(['umount', '/mnt'], check=True)


def read(path):
    try:
        with open(path) as file:
            return file.read()
    except OSError:
        return ''


def left():
    found = []
    with open('/proc/1/mountinfo') as file:
        mounts = [line for line in file if line.split()[4] == MOUNT_POINT]
    if len(mounts) > 1:
        found.append('%d mounts on %s' % (len(mounts), MOUNT_POINT))
    known = set()
    for path in glob.glob(STATE + '/fs-*'):
        if not path.endswith(('+', '.tmp')):
            try:
                known.add(json.loads(read(path))['pid'])
            except (ValueError, KeyError):
                pass
    for stat in glob.glob('/proc/[0-9]*/stat'):
        text = read(stat)
        if not text:
            continue
        pid, comm, state = int(stat.split('/')[2]), text[text.index('(') + 1:text.rindex(')')], text[text.rindex(')') + 2]
        cgroup = read('/proc/%d/cgroup' % pid).strip()
        command = read('/proc/%d/cmdline' % pid).replace('\0', ' ').strip()
        if state == 'Z':
            # Its parent has not looked yet; the agent's own children must not stay.
            parent = read('/proc/%s/cmdline' % text[text.rindex(')') + 4:].split()[0])
            if 's3files-sftp/main.js' in parent:
                found.append('a zombie of the agent: %s' % comm)
        elif state == 'D' and cgroup != '0::/':
            found.append('stuck: %s (%s)' % (command or comm, read('/proc/%d/wchan' % pid)))
        elif comm == 'efs-proxy' and pid not in known:
            # One that a state file names is ended by the helper's own watchdog, 40 s after the unmount.
            found.append('a proxy without a state file: %d' % pid)
        elif 'mount-probe' in command or command.startswith(('stat --file-system', 'umount ', '/sbin/mount.nfs4')):
            found.append('still there: %s' % command[:100])
    found += ['a state file of an attempt: ' + path for path in glob.glob(STATE + '/~fs-*')]
    failed = subprocess.run(['systemctl', '--failed', '--plain', '--no-legend'], stdout=subprocess.PIPE, text=True)
    found += ['failed unit: ' + line.split()[0] for line in failed.stdout.splitlines() if line.strip()]
    return found


def main():
    since = float(sys.argv[1])
    partners = lines(DIRECTORY + '/partners.jsonl', 0)
    print(json.dumps({
        'events': lines(DIRECTORY + '/events.jsonl', since),
        'partners': [each for each in partners if each['t'] >= since],
        'journal': journal(since),
        'lost': lost(partners),
        'wrongDisk': wrong_disk(),
        'left': left(),
    }))


main()
