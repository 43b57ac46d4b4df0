import { dirname } from 'node:path';

/** @returns shell that writes a file with exactly this content: nothing in it is expanded */
export function shellFile([path, content]: readonly [path: string, content: string]): string {
  return `install -d ${dirname(path)}
cat > ${path} <<'CONTENT'
${content.replace(/\n$/, '')}
CONTENT`;
}
