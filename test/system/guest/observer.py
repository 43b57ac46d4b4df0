"""Watches, from inside the guest, what a partner at the door sees and what the agent says of itself.

Appends to /run/bed/events.jsonl, one JSON object a line with the guest's clock `t`, whenever something changes:
  door    served (sshd's greeting came), refused, or mute (connected, and no greeting within five seconds)
  health  the mount's health by the agent's status file
  pingAge the age of the agent's last watchdog ping, in seconds
  helperProblem       what the agent says is wrong with the mount helper's own watchdog
and of units agentPid and restarts, and helperWatchdogSince: since when the helper's watchdog is up, null while it is
not. The newest of each is in /run/bed/now.json, with when each thing was last looked at.
"""
import json
import os
import socket
import subprocess
import threading
import time

EVENTS, NOW = '/run/bed/events.jsonl', '/run/bed/now.json'
STATUS = '/run/s3files-sftp/status.json'
AGENT, WATCHDOG = 's3files-sftp-agent.service', 'amazon-efs-mount-watchdog.service'
PROPERTIES = 'MainPID,NRestarts,WatchdogTimestampMonotonic,ActiveState,ActiveEnterTimestampMonotonic'
# A greeting costs the emulated processors a good part of a second; a refusal costs nothing.
SERVED_SECONDS, REFUSED_SECONDS, STATUS_SECONDS, UNIT_SECONDS = 1.5, 0.3, 0.25, 4
GREETING_SECONDS = 5
now = {'door': None, 'health': None, 'serving': None, 'helperProblem': None, 'agentPid': None, 'pingAge': 0,
       'restarts': None, 'helperWatchdogSince': None}
seen = {}
lock = threading.Lock()


def note(kind, value):
    with lock:
        if now[kind] == value:
            return
        now[kind] = value
        with open(EVENTS, 'a') as file:
            file.write(json.dumps({'t': time.time(), 'kind': kind, 'value': value}) + '\n')


def door():
    try:
        with socket.create_connection(('127.0.0.1', 2222), GREETING_SECONDS) as partner:
            partner.settimeout(GREETING_SECONDS)
            return 'served' if partner.recv(64).startswith(b'SSH-2.0-') else 'refused'
    except TimeoutError:
        return 'mute'
    except OSError:
        return 'refused'


def look_at_door():
    note('door', door())


def look_at_status():
    with open(STATUS) as file:
        mount = json.load(file)['mount']
    note('health', mount['health'])
    note('serving', mount['serving'])
    note('helperProblem', mount['helperProblem'])


def look_at_units():
    text = subprocess.run(['systemctl', 'show', '--property=' + PROPERTIES, AGENT, WATCHDOG],
                          stdout=subprocess.PIPE, text=True).stdout
    agent, watchdog = (dict(line.split('=', 1) for line in part.splitlines()) for part in text.strip().split('\n\n'))
    note('agentPid', int(agent['MainPID']))
    note('restarts', int(agent['NRestarts']))
    # CLOCK_MONOTONIC is systemd's clock, too.
    age = time.clock_gettime(time.CLOCK_MONOTONIC) - int(agent['WatchdogTimestampMonotonic']) / 1e6
    note('pingAge', round(age, 1))
    is_up = watchdog['ActiveState'] == 'active'
    note('helperWatchdogSince', int(watchdog['ActiveEnterTimestampMonotonic']) if is_up else None)


def repeat(what, rest, look):
    while True:
        try:
            look()
            seen[what] = time.time()
        except (OSError, ValueError, KeyError):
            pass  # not seen: the judge asks when it last was
        time.sleep(rest())


def main():
    os.makedirs('/run/bed', exist_ok=True)
    for what, rest, look in (
            ('door', lambda: SERVED_SECONDS if now['door'] == 'served' else REFUSED_SECONDS, look_at_door),
            ('status', lambda: STATUS_SECONDS, look_at_status), ('units', lambda: UNIT_SECONDS, look_at_units)):
        threading.Thread(target=repeat, args=(what, rest, look), daemon=True).start()
    while True:
        with open(NOW + '.new', 'w') as file:
            json.dump({**now, 'seen': seen}, file)
        os.rename(NOW + '.new', NOW)
        time.sleep(0.25)


main()
