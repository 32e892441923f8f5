/** What federation must know of leader election: it acknowledges only while this hub is provably the leader. */
export interface Leadership {
  readonly isLeader: boolean;
  /** Rises with every change of leader; agents refuse lower ones. */
  readonly term: number;
  /** True while the leader-election lease is valid even if the renewal under way fails. */
  provablyLeading(): boolean;
}
