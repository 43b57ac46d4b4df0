"""Partners, with OpenSSH's sftp: `partners.py LOAD`. What each of them saw goes to /run/bed/partners.jsonl.

  upload    two partners upload a large file slowly, over and over; a client that loses its connection comes again
  sessions  fifty sessions of ten partners are open; once /run/bed/use exists, each that still is uploads a file
  holder    no partner: a process of root's that has a file on the mount open, with dirty pages
  storm     six partners at once log in, upload a small file, and leave, without a pause

Each line: {"t", "load", "user", "what": "upload" | "session", "outcome", "name", "sha256", "bytes", "seconds"}, where
`once` is the load of an upload that belongs to none. Outcomes:
  ok        the client reported success
  refused   nobody listened
  closed    the connection ended before anybody had logged in
  denied    the key was not accepted
  turned-away  logged in, and sent away before the first command
  broken    logged in, and the connection or the command failed
  stuck     the client did not end within a minute
"""
import hashlib
import json
import os
import random
import subprocess
import sys
import threading
import time

DIRECTORY = '/run/bed'
KEY = '/root/partner-key'
OPTIONS = ['-F', '/dev/null', '-P', '2222', '-i', KEY, '-b', '-']
for option in ('BatchMode=yes', 'IdentitiesOnly=yes', 'StrictHostKeyChecking=no', 'UserKnownHostsFile=/dev/null',
               'LogLevel=VERBOSE', 'ConnectTimeout=20', 'ServerAliveInterval=15'):
    OPTIONS += ['-o', option]
LARGE_BYTES, LARGE_KBIT = 12 << 20, 3000
SMALL_BYTES = 20_000
STUCK_SECONDS = 60
writing = threading.Lock()
numbers = iter(range(10 ** 9))


def tell(**what):
    with writing, open(DIRECTORY + '/partners.jsonl', 'a') as file:
        file.write(json.dumps({'t': time.time(), 'load': sys.argv[1], **what}) + '\n')


def make_file(size):
    """A file of its own, whose bytes nobody else has. Returns its path, and what is told of it."""
    name = 'file-%d-%d' % (os.getpid(), next(numbers))
    path = '%s/outbox/%s' % (DIRECTORY, name)
    data = random.randbytes(1 << 16) * (size // (1 << 16)) + random.randbytes(size % (1 << 16) + 16)
    with open(path, 'wb') as file:
        file.write(data)
    return path, {'name': name, 'sha256': hashlib.sha256(data).hexdigest(), 'bytes': len(data)}


def outcome(code, errors):
    if code == 0:
        return 'ok'
    if 'Authenticated to' in errors:
        # A batch echoes its commands, the first one once the server has answered.
        return 'broken' if 'sftp>' in errors else 'turned-away'
    if 'Connection refused' in errors:
        return 'refused'
    return 'denied' if 'Permission denied' in errors else 'closed'


def sftp(user, options=()):
    return subprocess.Popen(['sftp', *OPTIONS, *options, user + '@127.0.0.1'], stdin=subprocess.PIPE,
                            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True)


def upload(user, size, options=()):
    """One upload from login to the end. Returns its outcome."""
    path, file = make_file(size)
    began = time.time()
    client = sftp(user, options)
    try:
        said, _ = client.communicate('put %s %s\n' % (path, file['name']), timeout=STUCK_SECONDS)
        how = outcome(client.returncode, said)
    except subprocess.TimeoutExpired:
        client.kill()
        said, how = '', 'stuck'
    finally:
        os.unlink(path)
    tell(user=user, what='upload', outcome=how, seconds=round(time.time() - began, 1), said=last_line(said), **file)
    return how


def last_line(said):
    return (said.strip().splitlines() or [''])[-1][:200]


def keep_uploading(user, size, options, pause):
    while not os.path.exists(DIRECTORY + '/stop'):
        # After the first loss the whole file goes at full speed: a test can't wait another half a minute.
        if upload(user, size, options) != 'ok':
            options = ()
            time.sleep(1)
        time.sleep(pause)


def session(user):
    """Connected until told to use it."""
    client = sftp(user)
    client.stdin.write('pwd\n')
    client.stdin.flush()
    said = client.stdout.readline()
    while 'Remote working directory' not in said and client.poll() is None:
        said += client.stdout.readline()
    tell(user=user, what='session', outcome='open' if client.poll() is None else outcome(client.returncode, said))
    while not os.path.exists(DIRECTORY + '/use'):
        if client.poll() is not None:
            tell(user=user, what='session', outcome='ended', said=last_line(client.stdout.read()))
            return
        time.sleep(0.25)
    path, file = make_file(SMALL_BYTES)
    try:
        more, _ = client.communicate('put %s %s\n' % (path, file['name']), timeout=STUCK_SECONDS)
        how = 'ok' if client.returncode == 0 else 'broken'
    except subprocess.TimeoutExpired:
        client.kill()
        more, how = '', 'stuck'
    tell(user=user, what='upload', outcome=how, said=last_line(more), **file)


def hold():
    """An administrator's process that writes to the mount and never waits for the disk."""
    with open('/home/sftp/p01/upload/holder', 'wb', buffering=0) as file:
        while True:
            file.write(random.randbytes(1 << 16))
            file.seek(0 if file.tell() > 8 << 20 else file.tell())
            time.sleep(0.25)


def main():
    os.makedirs(DIRECTORY + '/outbox', exist_ok=True)
    load = sys.argv[1]
    if load == 'upload':
        jobs = [(keep_uploading, (user, LARGE_BYTES, ('-l', str(LARGE_KBIT)), 0)) for user in ('p01', 'p02')]
    elif load == 'sessions':
        jobs = [(session, ('p%02d' % (number % 10 + 1),)) for number in range(50)]
    elif load == 'holder':
        jobs = [(hold, ())]
    elif load == 'storm':
        jobs = [(keep_uploading, ('p%02d' % number, SMALL_BYTES, (), 0)) for number in range(1, 7)]
    else:
        # `once USER`: one upload.
        sys.exit(0 if upload(sys.argv[2], SMALL_BYTES) == 'ok' else 1)
    threads = [threading.Thread(target=work, args=arguments) for work, arguments in jobs]
    for thread in threads:
        thread.start()
        # Logging in is work for two slow processors.
        if load == 'sessions':
            time.sleep(1)
    for thread in threads:
        thread.join()


main()
