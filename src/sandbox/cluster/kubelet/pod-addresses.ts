/**
 * Loopback addresses of pods and nodes: 127.<cluster>.<n>.<m>, one per pod, so that equal ports never clash.
 *
 * Invariants: an address has one holder at a time; the one released longest ago is given out next. Linux answers on all of
 * 127/8 without set-up. Block 0 is never used, since 127.0.0.1 is everybody's; n = 255 is kept for nodes.
 */
export class PodAddresses {
  private readonly block: number;
  private readonly free: string[] = [];
  private next = 0;
  private nextNode = 0;

  /** `block` from 1 to 254 names the cluster on this machine. */
  constructor(block: number) {
    if (!Number.isInteger(block) || block < 1 || block > 254) {
      throw new RangeError(`addressBlock: ${block} is outside 1 to 254`);
    }
    this.block = block;
  }

  /** Throws when all 64,770 addresses are taken. */
  take(): string {
    // Not at once the same address again: a late packet or TIME_WAIT of the last holder should not meet the next one.
    if (this.free.length > 1024 || this.next >= 255 * 254) {
      const address = this.free.shift();
      if (address === undefined) throw new RangeError(`all pod addresses of 127.${this.block}.0.0/16 are taken`);
      return address;
    }
    const address = `127.${this.block}.${Math.floor(this.next / 254)}.${1 + (this.next % 254)}`;
    this.next += 1;
    return address;
  }

  release(address: string): void {
    this.free.push(address);
  }

  takeForNode(): string {
    const address = `127.${this.block}.255.${1 + (this.nextNode % 254)}`;
    this.nextNode += 1;
    return address;
  }
}
