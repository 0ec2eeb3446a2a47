import type { Target } from './file-change.ts';

/** What becomes of images and containers that were there before, in words. */
export function imagesAfterSetup(targets: readonly Target[]): string {
  if (!targets.includes('containerd') && !targets.includes('k3s')) return '';
  return '\nNot touched: images, containers, and what runs.\n';
}

export function imagesAfterUndo(targets: readonly Target[]): string {
  if (!targets.includes('containerd') && !targets.includes('k3s')) return '';
  return '\nNot touched: images, containers, and what runs.\n';
}
