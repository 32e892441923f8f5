/** Who a request comes from, after authentication. */
export interface UserInfo {
  readonly username: string;
  readonly uid?: string;
  readonly groups: readonly string[];
  readonly extra?: Readonly<Record<string, readonly string[]>>;
}

export const ANONYMOUS: UserInfo = { username: 'system:anonymous', groups: ['system:unauthenticated'] };

/** The server's own controllers. */
export const LOOPBACK: UserInfo = { username: 'system:apiserver', groups: ['system:masters', 'system:authenticated'] };
