/** Polls until `check` stops throwing or returning false; fails with its last word after the deadline. */
export async function eventually(check: () => unknown, deadlineMs = 5_000): Promise<void> {
  const untilMs = performance.now() + deadlineMs;
  for (;;) {
    let failure: unknown;
    try {
      if (check() !== false) return;
      failure = new Error('the condition did not come to hold');
    } catch (error) {
      failure = error;
    }
    if (performance.now() > untilMs) throw failure;
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}
