/**
 * The name under which systemd knows a mount point (systemd.unit(5), "String Escaping for Inclusion in Unit Names";
 * same as `systemd-escape --path --suffix=mount`): `/home/sftp` is `home-sftp.mount`.
 * @param path absolute and normalised
 */
export function mountUnitName(path: string): string {
  const trimmed = path.split('/').filter(Boolean).join('/');
  return `${trimmed === '' ? '-' : escapeName(trimmed)}.mount`;
}

function escapeName(path: string): string {
  let name = '';
  for (const byte of Buffer.from(path, 'utf8')) {
    const char = String.fromCharCode(byte);
    const leadingDot = name === '' && char === '.';
    if (char === '/') name += '-';
    else if (/[A-Za-z0-9:_.]/.test(char) && !leadingDot) name += char;
    else name += `\\x${byte.toString(16).padStart(2, '0')}`;
  }
  return name;
}
