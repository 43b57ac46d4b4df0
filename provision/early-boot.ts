/**
 * Runs in cloud-init's first stage, which systemd orders before sshd.service (`Before=sshd.service` in
 * cloud-init.service), at every boot: the image's own sshd never listens, so port 22 is nobody's until the partners'
 * sshd takes it. The boot script itself runs last, when sshd would have been up for seconds. Masking also refuses the
 * start that systemd has queued already.
 */
export const EARLY_BOOT = `#!/bin/sh
systemctl mask --now --no-block sshd.service sshd.socket
`;
