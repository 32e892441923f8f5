/** Does the owner allow every image of the job? Names the first that is not allowed. */
import { hasDigest, imageAllowed } from '../../model/image-patterns.ts';
import type { MemberFilter } from './member-filter.ts';

export const imagesAllowed: MemberFilter = ({ pending: { job }, member }) => {
  const { imagePatterns, requireDigest } = member.policy;
  if (imagePatterns === undefined && !requireDigest) return undefined;
  const image = job.images.find(
    (one) => (requireDigest && !hasDigest(one)) || (imagePatterns !== undefined && !imageAllowed(one, imagePatterns)),
  );
  return image === undefined ? undefined : { kind: 'ImageNotAllowed', image };
};
