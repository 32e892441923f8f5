/** Room on nodes while a reclaim is being thought through. Decides nothing. Amounts may be below zero where a node is overfull. */
import type { Resources } from '../model/resources.ts';

export interface Shares {
  readonly shares: readonly { readonly node: number; readonly resources: Resources }[];
}

export interface OneNodeRoom {
  fits(requests: Resources): boolean;
  release(gang: Shares): void;
  restore(gang: Shares): void;
}

export class Room {
  private readonly nodes: Record<string, number>[];

  constructor(free: readonly Resources[]) {
    this.nodes = free.map((resources) => ({ ...resources }));
  }

  copy(): Room {
    return new Room(this.nodes);
  }

  at(node: number): Resources {
    return this.nodes[node] ?? {};
  }

  fits(node: number, requests: Resources): boolean {
    const free = this.nodes[node];
    if (free === undefined) return false;
    for (const name in requests) {
      const need = requests[name] ?? 0;
      if (need > 0 && need > (free[name] ?? 0)) return false;
    }
    return true;
  }

  take(node: number, resources: Resources): void {
    this.move(node, resources, -1);
  }

  give(node: number, resources: Resources): void {
    this.move(node, resources, 1);
  }

  /** The gang ends: what it holds is free, on all its nodes. */
  release({ shares }: Shares): void {
    for (const { node, resources } of shares) this.move(node, resources, 1);
  }

  /** The gang stays after all. */
  restore({ shares }: Shares): void {
    for (const { node, resources } of shares) this.move(node, resources, -1);
  }

  /** A view of one node alone, to try endings on. */
  copyOf(node: number): OneNodeRoom {
    const room = new Room([this.at(node)]);
    const here = ({ shares }: Shares): Shares => ({
      shares: shares.filter((share) => share.node === node).map(({ resources }) => ({ node: 0, resources })),
    });
    return {
      fits: (requests) => room.fits(0, requests),
      release: (gang) => {
        room.release(here(gang));
      },
      restore: (gang) => {
        room.restore(here(gang));
      },
    };
  }

  private move(node: number, resources: Resources, sign: 1 | -1): void {
    const free = this.nodes[node];
    if (free === undefined) return;
    for (const name in resources) free[name] = (free[name] ?? 0) + sign * (resources[name] ?? 0);
  }
}
