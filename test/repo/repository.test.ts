import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';

const files = execFileSync('git', ['ls-files', '-z'], { encoding: 'utf8' }).split('\0').filter(Boolean);
const texts = files.filter((file) => !/\.(png|ico|binpb)$/.test(file));
const read = (file: string): string => readFileSync(file, 'utf8');

interface PackageJson {
  readonly version: string;
  readonly scripts: Readonly<Record<string, string>>;
  readonly dependencies: Readonly<Record<string, string>>;
  readonly devDependencies: Readonly<Record<string, string>>;
}
const manifest = JSON.parse(read('package.json')) as PackageJson;

describe('the repository', () => {
  it('names no package registry and no home of a developer in any file', () => {
    const patterns = [/\bregistry\.[a-z0-9-]+\.(org|com|io|dev)\b/, /(^|[\s"'`(=:])\/(home|root|Users)\/[a-z]/m];
    const found = texts.filter((file) => patterns.some((pattern) => pattern.test(read(file))));
    expect(found).toEqual([]);
  });

  it('locks dependencies without download addresses', () => {
    expect(read('package-lock.json')).not.toMatch(/"resolved": "https?:/);
  });

  it('pins every dependency exactly', () => {
    const versions = Object.entries({ ...manifest.dependencies, ...manifest.devDependencies });
    expect(versions.filter(([, version]) => !/^\d+\.\d+\.\d+$/.test(version))).toEqual([]);
  });

  it('says in an ADR why it depends on each package', () => {
    const adr = read('docs/adr/0001-dependencies.md');
    const names = Object.keys({ ...manifest.dependencies, ...manifest.devDependencies });
    const unexplained = names.filter((name) => !name.startsWith('@types/') && !adr.includes(name));
    expect(unexplained).toEqual([]);
  });

  it('starts every source file by saying what the file decides', () => {
    const sources = files.filter((file) => /^src\/.*\.ts$/.test(file) && !file.includes('/generated/'));
    const silent = sources.filter((file) => !/^(#!.*\n)?\/\*\*/.test(read(file)));
    expect(silent).toEqual([]);
  });

  it('has every npm script that its documents name', () => {
    const documents = files.filter((file) => /\.(md|yml|yaml)$/.test(file) || file === '.ci/run');
    const missing = documents.flatMap((file) =>
      [...read(file).matchAll(/npm run (?:--silent )?([a-z][a-z0-9:-]*)/g)]
        .map((match) => match[1] ?? '')
        .filter((script) => !(script in manifest.scripts))
        .map((script) => `${file}: npm run ${script}`),
    );
    expect(missing).toEqual([]);
  });

  it('has every file that its documents link to', () => {
    const known = new Set(files);
    const folders = new Set(files.map((file) => file.slice(0, file.lastIndexOf('/'))));
    const broken = files
      .filter((file) => file.endsWith('.md'))
      .flatMap((file) =>
        [
          ...read(file)
            .replace(/`[^`]*`/g, '')
            .matchAll(/\]\((?!https?:|#)([^)#\s]+)/g),
        ]
          .map((match) => new URL(match[1] ?? '', `file:///${file}`).pathname.slice(1).replace(/\/$/, ''))
          .filter((target) => !known.has(target) && !folders.has(target))
          .map((target) => `${file}: ${target}`),
      );
    expect(broken).toEqual([]);
  });

  it('keeps files small enough to read', () => {
    const large = files.filter((file) => file !== 'package-lock.json' && read(file).length > 500_000);
    expect(large).toEqual([]);
  });
});
