/** What hub state counts. The metrics behind it are made in observe; tests pass a recorder. */
export interface StateObserver {
  /** A report claimed a run that it may not move: of another member, never issued, or passed by a later fence. */
  fenceRejected(reason: FenceRejection): void;
}

export type FenceRejection = 'Foreign' | 'NeverIssued' | 'Superseded' | 'AlreadyOver' | 'Contradiction';
