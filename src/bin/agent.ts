#!/usr/bin/env node
/**
 * The agent's door. Keeps V8's young generation at its initial size before anything is loaded: left to itself it grows to
 * 48 MB under load, which is more than everything else that an agent has in memory; collecting it more often costs little.
 */
import { setFlagsFromString } from 'node:v8';

setFlagsFromString('--semi-space-growth-factor=1');
// Not a static import: those are evaluated first.
await import('./agent-program.ts');
