import { expect, it } from 'vitest';
import { exportErrorOf } from '../../../agent/uploads/export-error.ts';

it('finds the error in the attribute, in whatever form its text is', () => {
  expect(exportErrorOf('user.s3files.status;1700="S3Key=a\\012ExportError=S3AccessDenied\\012"')).toBe(
    'S3AccessDenied',
  );
  expect(exportErrorOf('user.s3files.status;1700="{\\"ExportError\\": \\"PathTooLong\\"}"')).toBe(
    'PathTooLong',
  );
  expect(exportErrorOf('# file: x\n')).toBeNull();
});
