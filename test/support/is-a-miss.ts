import { type IsMiss, withReplicaFallback } from 'kysely-replica-fallback';

/** Whether a read takes such an answer of its replica for a miss, and so asks the primary. */
export async function isAMiss(
  isMiss: IsMiss<never>,
  replicaAnswers: () => PromiseLike<unknown>,
): Promise<boolean> {
  let asksPrimary = false;
  const read = withReplicaFallback<{ readonly isPrimary: boolean }, never>(
    async ({ isPrimary }) => {
      asksPrimary ||= isPrimary;
      return (await replicaAnswers()) as never;
    },
    { primary: { isPrimary: true }, replica: { isPrimary: false }, isMiss, retryMs: 0 },
  );
  await read.catch(() => {});
  return asksPrimary;
}
