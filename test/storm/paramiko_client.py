"""A partner's program with paramiko: takes requests as JSON lines, answers each with one, and dies when it is killed.

Arguments: port, user, path of the private key.
"""
import base64
import json
import sys

import paramiko

port, user, key = int(sys.argv[1]), sys.argv[2], sys.argv[3]
transport = paramiko.Transport(('127.0.0.1', port))
transport.connect(username=user, pkey=paramiko.Ed25519Key.from_private_key_file(key))
sftp = paramiko.SFTPClient.from_transport(transport)
files = {}


def handle(request):
    operation, path = request['do'], request.get('path')
    if operation == 'open':
        number = request['file']
        files[number] = sftp.open(path, {'w': 'w', 'a': 'a', 'r+': 'r+'}[request['mode']])
        return number
    if operation == 'write':
        file = files[request['file']]
        file.seek(request['position'])
        file.write(base64.b64decode(request['content']))
        return None
    if operation == 'close':
        files.pop(request['file']).close()
        # paramiko keeps it to itself when the connection broke before the answer to a close: only an answer to what
        # was asked after it is the server's word.
        sftp.stat('.')
        return None
    if operation == 'get':
        with sftp.open(path, 'r') as file:
            return len(file.read())
    if operation == 'rename':
        return sftp.posix_rename(path, request['to'])
    if operation == 'remove':
        return sftp.remove(path)
    if operation == 'mkdir':
        return sftp.mkdir(path)
    raise ValueError(operation)


print(json.dumps({'value': 'connected'}), flush=True)
for line in sys.stdin:
    try:
        answer = {'value': handle(json.loads(line))}
    except Exception as error:  # every error is the answer
        answer = {'error': str(error) or type(error).__name__}
    print(json.dumps(answer), flush=True)
transport.close()
