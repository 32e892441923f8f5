/**
 * Text from elsewhere as it may reach a terminal: sentences of members and tenants pass through the hub, and none of them
 * shall move the cursor or colour the screen of whoever reads them. Leaves out logs, which are printed as they are.
 */

const controls = /[\u0000-\u0009\u000b-\u001f\u007f-\u009f]/g;

/** Every control character but the newline becomes a blank. */
export function plainText(text: string): string {
  return text.replace(controls, ' ');
}

/** As plainText, on one line. */
export function plainLine(text: string): string {
  return plainText(text).replaceAll('\n', ' ');
}
