/** The version and commit that the build puts in; running from source says so. */
declare const __LUMBUNG_VERSION__: string | undefined;
declare const __LUMBUNG_COMMIT__: string | undefined;

export const VERSION: string = typeof __LUMBUNG_VERSION__ === 'string' ? __LUMBUNG_VERSION__ : '0.0.0-source';
export const COMMIT: string = typeof __LUMBUNG_COMMIT__ === 'string' ? __LUMBUNG_COMMIT__ : 'unknown';
