/** A string of JSON, with the colon that makes it a field's name; or a bracket. */
const TOKEN = /"([^"\\]*(?:\\.[^"\\]*)*)"(\s*:)?|[{}[\]]/g;

interface Open {
  /** Fields of this object so far; null: it is a list. */
  readonly fields: Set<string> | null;
  /** Name of the field that this is the value of; null: it is in no object, but in a list or in nothing. */
  readonly name: string | null;
}

/**
 * Finds fields that an object names twice. JSON.parse lets the last one win and tells nobody.
 * @param text JSON that JSON.parse takes
 * @returns each such field by the names that lead to it, from the outermost object; lists add no name
 */
export function duplicateFields(text: string): string[][] {
  const duplicates: string[][] = [];
  const open: Open[] = [];
  let field = '';
  for (const [token, quoted, colon] of text.matchAll(TOKEN)) {
    const innermost = open.at(-1);
    if (token === '{' || token === '[') {
      open.push({ fields: token === '{' ? new Set() : null, name: innermost?.fields ? field : null });
    } else if (token === '}' || token === ']') {
      open.pop();
    } else if (colon !== undefined && innermost?.fields) {
      // Two spellings of one name, such as "\u0061" and "a".
      field = String(JSON.parse(`"${quoted ?? ''}"`));
      if (innermost.fields.has(field))
        duplicates.push([...open.slice(1).flatMap(({ name }) => name ?? []), field]);
      innermost.fields.add(field);
    }
  }
  return duplicates;
}
