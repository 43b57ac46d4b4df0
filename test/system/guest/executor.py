"""Carries out what the test asks, over the virtio-serial port `bed`: one JSON object a line, each way.

Request: {"id", "argv", "input"?, "timeout"}; answer: {"id", "code", "stdout", "stderr", "began"}, `began` being the
guest's clock. A command that does not end in time is killed and given up: on a dead mount it may be stuck for good.
"""
import json
import os
import signal
import subprocess
import threading
import time

PORT = '/dev/virtio-ports/bed'
ENVIRONMENT = {
    'PATH': '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin',
    'HOME': '/root', 'LC_ALL': 'C.UTF-8', 'TZ': 'UTC', 'SYSTEMD_PAGER': 'cat',
}
KILLED = 137
writing = threading.Lock()


def run(request):
    began = time.time()
    try:
        process = subprocess.Popen(request['argv'], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                   stderr=subprocess.PIPE, env=ENVIRONMENT, cwd='/', start_new_session=True)
    except OSError as error:
        return {'code': 127, 'stdout': '', 'stderr': str(error), 'began': began}
    try:
        out, err = process.communicate(request.get('input', '').encode(), timeout=request['timeout'])
        code = process.returncode if process.returncode >= 0 else 128 - process.returncode
    except subprocess.TimeoutExpired:
        out, err, code = b'', b'no end in time: killed', KILLED
        try:
            os.killpg(process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
    return {'code': code, 'stdout': out.decode('utf8', 'replace'), 'stderr': err.decode('utf8', 'replace'),
            'began': began}


def answer(port, request):
    reply = json.dumps({'id': request['id'], **run(request)}).encode() + b'\n'
    with writing:
        while reply:
            reply = reply[os.write(port, reply):]


def main():
    while not os.path.exists(PORT):
        time.sleep(0.05)
    port = os.open(PORT, os.O_RDWR)
    with writing:
        os.write(port, b'{"id":0}\n')
    pending = b''
    while True:
        data = os.read(port, 65536)
        if not data:
            # Nobody is at the other end.
            time.sleep(0.05)
            continue
        *lines, pending = (pending + data).split(b'\n')
        for line in lines:
            if line.strip():
                threading.Thread(target=answer, args=(port, json.loads(line)), daemon=True).start()


main()
