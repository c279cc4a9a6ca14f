// The clock in the picture, as numbers: no browser needed.

import assert from 'node:assert/strict';
import test from 'node:test';

import { age, decode, encode } from '../../../web/picture_clock.js';

const TIMES = [0, 1, 1_795_300_000_123, 2 ** 24 - 1, 2 ** 24, 5_555_555];

test('a clock is read again in every orientation', () => {
    for (const ms of TIMES) {
        const bits = encode(ms);
        assert.equal(bits.length, 40);
        const inverted = bits.map(bit => 1 - bit);
        for (const seen of [bits, inverted, [...bits].reverse(), [...inverted].reverse()])
            assert.equal(decode(seen), ms % 2 ** 24, `${ms}: ${seen.join('')}`);
    }
});

test('a damaged clock is not read', () => {
    for (const ms of TIMES)
        for (let i = 0; i < 40; i++) {
            const bits = encode(ms);
            bits[i] = 1 - bits[i];
            assert.notEqual(decode(bits), ms % 2 ** 24, `cell ${i}`);
        }
    assert.equal(decode(Array(40).fill(0)), null);
    assert.equal(decode(Array(40).fill(1)), null);
});

test('the age is right across the wrap of the clock', () => {
    const wrap = 2 ** 24;
    assert.equal(age(100, wrap * 7 + 150), 50);
    assert.equal(age(wrap - 10, wrap * 7 + 15), 25);
    assert.equal(age(20, wrap * 7 + 10), -10);
});
