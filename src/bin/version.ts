/** The version that the build puts in; running from source says so. */
declare const __LUMBUNG_VERSION__: string | undefined;

export const VERSION: string = typeof __LUMBUNG_VERSION__ === 'string' ? __LUMBUNG_VERSION__ : '0.0.0-source';
