"""Tells as JSON what is to be known about a cell: `collect.py SINCE [tidied]`, SINCE by the guest's clock.

  at, seen           when this was begun, and when observer.py last looked at each thing
  events, partners   what observer.py and partners.py wrote since SINCE
  before             how many uploads had come through before it, and how many sessions were open
  journal            the agent's own log lines since then
  verified, lost     of the files that partners were told are there: how many are whole, and which are not
  wrongDisk          what lies in the directory below the mount
  helperWatchdog     what systemd says of the helper's watchdog
  left               what should not be there any more, see left_behind.py; `tidied`: nor what its watchdog takes away
"""
import hashlib
import json
import os
import subprocess
import sys
import time

from left_behind import MOUNT_POINT, WATCHDOG, left

DIRECTORY = '/run/bed'
EXPORT = '/srv/s3files/fs-0123456789abcdef0'


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


def verify(partners):
    """Of all uploads of the virtual machine's life, not only of this cell. Returns how many are whole, and the rest."""
    missing, verified = [], 0
    for each in partners:
        if each['what'] != 'upload' or each['outcome'] != 'ok':
            continue
        try:
            with open('%s/%s/upload/%s' % (EXPORT, each['user'], each['name']), 'rb') as file:
                whole = hashlib.sha256(file.read()).hexdigest() == each['sha256']
        except FileNotFoundError:
            whole = False
        if whole:
            verified += 1
        else:
            missing.append({'user': each['user'], 'name': each['name'], 'bytes': each['bytes']})
    return verified, missing


def wrong_disk():
    """Looks below the mount, at the root file system alone."""
    subprocess.run(['mount', '--bind', '/', '/mnt'], check=True)
    try:
        below = '/mnt' + MOUNT_POINT
        attributes = subprocess.run(['lsattr', '-d', below], stdout=subprocess.PIPE, text=True).stdout.split()
        return {'names': os.listdir(below), 'immutable': 'i' in (attributes or [''])[0]}
    finally:
        subprocess.run(['umount', '/mnt'], check=True)


def main():
    since, tidied = float(sys.argv[1]), 'tidied' in sys.argv[2:]
    at = time.time()
    with open(DIRECTORY + '/now.json') as file:
        seen = json.load(file)['seen']
    partners, log = lines(DIRECTORY + '/partners.jsonl', 0), journal(since)
    verified, missing = verify(partners)
    earlier = [(each['what'], each['outcome']) for each in partners if each['t'] < since]
    watchdog = subprocess.run(['systemctl', 'is-active', WATCHDOG], stdout=subprocess.PIPE, text=True).stdout
    print(json.dumps({
        'at': at,
        'seen': seen,
        'events': lines(DIRECTORY + '/events.jsonl', since),
        'partners': [each for each in partners if each['t'] >= since],
        'before': {'ok': earlier.count(('upload', 'ok')), 'open': earlier.count(('session', 'open'))},
        'journal': log,
        'verified': verified,
        'lost': missing,
        'wrongDisk': wrong_disk(),
        'helperWatchdog': watchdog.strip(),
        'left': left(sum(line.get('rung') == 'mount' for line in log), tidied),
    }))


main()
