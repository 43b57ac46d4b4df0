"""Watches, from inside the guest, what a partner at the door sees and what the agent says of itself.

Appends to /run/bed/events.jsonl, one JSON object a line with the guest's clock `t`, whenever something changes:
  door    served (sshd's greeting came), refused, or mute (connected, and no greeting within five seconds)
  health  the mount's health by the agent's status file
  pingAge the age of the agent's last watchdog ping, in seconds
and of its unit agentPid and restarts. The newest of each is in /run/bed/now.json.
"""
import json
import os
import socket
import subprocess
import threading
import time

EVENTS, NOW = '/run/bed/events.jsonl', '/run/bed/now.json'
STATUS = '/run/s3files-sftp/status.json'
AGENT = 's3files-sftp-agent.service'
# A greeting costs the emulated processors a good part of a second; a refusal costs nothing.
SERVED_SECONDS, REFUSED_SECONDS, STATUS_SECONDS, UNIT_SECONDS = 1.5, 0.3, 0.25, 5
GREETING_SECONDS = 5
now = {'door': None, 'health': None, 'serving': None, 'agentPid': None, 'pingAge': 0, 'restarts': None}
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


def look_at_status():
    try:
        with open(STATUS) as file:
            status = json.load(file)
        note('health', status['mount']['health'])
        note('serving', status['mount']['serving'])
    except (OSError, ValueError):
        pass


def look_at_unit():
    text = subprocess.run(['systemctl', 'show', '--property=MainPID,NRestarts,WatchdogTimestampMonotonic', AGENT],
                          stdout=subprocess.PIPE, text=True).stdout
    values = dict(line.split('=', 1) for line in text.splitlines() if '=' in line)
    note('agentPid', int(values['MainPID']))
    note('restarts', int(values['NRestarts']))
    # CLOCK_MONOTONIC is systemd's clock, too.
    age = time.clock_gettime(time.CLOCK_MONOTONIC) - int(values['WatchdogTimestampMonotonic']) / 1e6
    note('pingAge', round(age, 1))


def repeat(rest, look):
    while True:
        try:
            look()
        except (OSError, ValueError, KeyError):
            pass
        time.sleep(rest())


def main():
    os.makedirs('/run/bed', exist_ok=True)
    for rest, look in ((lambda: SERVED_SECONDS if now['door'] == 'served' else REFUSED_SECONDS,
                        lambda: note('door', door())),
                       (lambda: STATUS_SECONDS, look_at_status), (lambda: UNIT_SECONDS, look_at_unit)):
        threading.Thread(target=repeat, args=(rest, look), daemon=True).start()
    while True:
        with open(NOW + '.new', 'w') as file:
            json.dump(now, file)
        os.rename(NOW + '.new', NOW)
        time.sleep(0.25)


main()
