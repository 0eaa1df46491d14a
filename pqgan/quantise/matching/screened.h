// A dozen channels a subspace: positions side by side in the lanes, the least score of every block of codewords kept,
// and the few blocks that may hold the nearest codeword measured again.
#pragma once
#include "differences.h"
#include "rough_scores.h"

template <int C>
class Screened : public Rounded {
   public:
    static constexpr int WORDS = C / CHANNELS, VECTORS = WORDS <= 4 ? 4 : WORDS <= 8 ? 2 : 1;
    static constexpr int TILE = VECTORS * LANES;

    Screened(const Problem& problem, int64_t s)
        : Rounded(problem, s, C), blocks((problem.K + BLOCK - 1) / BLOCK),
          packed(blocks * (WORDS + 1) * BLOCK), exact(blocks * C * BLOCK), margins(blocks) {}

    int64_t parts() const override { return (blocks + SEGMENT - 1) / SEGMENT; }

    void pack(int64_t segment) override {
        for (int64_t block = segment * SEGMENT; block < std::min(blocks, (segment + 1) * SEGMENT); block++) {
            float squared[BLOCK], norms[BLOCK], residuals[BLOCK];
            Word* place = packed + block * (WORDS + 1) * BLOCK;
            pack_block<C>(problem, s, block, scale, exact + block * C * BLOCK);
            round_off<BLOCK>(exact + block * C * BLOCK, 1, place + BLOCK, squared, norms, residuals);
            std::memcpy(place, squared, sizeof squared);
            float norm = *std::max_element(norms, norms + BLOCK);
            margins[block] = margin(norm, *std::max_element(residuals, residuals + BLOCK));
        }
    }

    void search(int64_t start, int64_t count) const override {
        Tile tile;
        std::fill_n(tile.x, C * TILE, 0.0f);
        for (int64_t done = 0; done < count; done += TILE) {
            int64_t length = std::min<int64_t>(TILE, count - done);
            gather<TILE>(problem, s, start + done, length, scale, tile.x);
            float squared[TILE];
            round_off<TILE>(tile.x, -2, tile.words, squared, tile.norms, tile.residuals);
            for (int j = 0; j < TILE; j++) tile.bounds[j] = j < length ? INFINITY : -INFINITY;
            std::fill_n(tile.distances, TILE, INFINITY);
            std::fill_n(tile.codes, TILE, 0);
            for (int64_t segment = 0; segment < parts(); segment++) screen(tile, segment);
            problem.pieces(s, start + done, length, [&](int64_t at, int64_t n, const float*, int64_t* codes) {
                for (int64_t j = 0; j < n; j++) codes[j] = std::min(tile.codes[at + j], problem.K - 1);
            });
        }
    }

   private:
    static constexpr int64_t SEGMENT = 64;  // blocks whose least scores the inner cache holds
    struct Tile {
        alignas(64) float x[C * TILE];
        alignas(64) Word words[WORDS * TILE];  // of -2 z
        alignas(64) float norms[TILE], residuals[TILE];
        alignas(64) float bounds[TILE];  // the nearest codeword scores no more
        float distances[TILE];           // of the nearest so far
        int64_t codes[TILE];
    };
    const int64_t blocks;
    Buffer<Word> packed;     // (blocks, 1 + WORDS, BLOCK): squared lengths, then channels
    Buffer<float> exact;     // (blocks, C, BLOCK)
    Buffer<Margin> margins;  // (blocks)

    // Subtract the centre, round, and multiply by a power of two: x (C, COUNT) to words (WORDS, COUNT).
    template <int COUNT>
    void round_off(const float* x, float factor, Word* to, float* squared, float* norms, float* residuals) const {
        std::fill_n(squared, COUNT, 0.0f);
        std::fill_n(residuals, COUNT, 0.0f);
        for (int i = 0; i < C; i += CHANNELS) {
            for (int j = 0; j < COUNT; j++) {
                float channels[CHANNELS];
                for (int channel = 0; channel < CHANNELS; channel++) {
                    float value = x[(i + channel) * COUNT + j] - centre[i + channel], near = rounded(value);
                    squared[j] += value * value;
                    residuals[j] += (value - near) * (value - near);
                    channels[channel] = factor * near;
                }
                to[i / CHANNELS * COUNT + j] = word_of(channels);
            }
        }
        for (int j = 0; j < COUNT; j++) {
            float norm = std::sqrt(squared[j]), residual = std::sqrt(residuals[j]);
            norms[j] = norm + residual;
            residuals[j] = residual + norm * 0x1p-20f;  // the rounding of all this as well
        }
    }

    void screen(Tile& tile, int64_t segment) const {
        Floats z[WORDS][VECTORS], bounds[VECTORS], least_scores[SEGMENT][VECTORS];
        for (int w = 0; w < WORDS; w++)
            for (int v = 0; v < VECTORS; v++) z[w][v] = load(tile.words + w * TILE + v * LANES);
        for (int v = 0; v < VECTORS; v++) bounds[v] = load(tile.bounds + v * LANES);
        int64_t first = segment * SEGMENT, count = std::min(SEGMENT, blocks - first);
        const Word* word = packed + first * (WORDS + 1) * BLOCK;
        for (int64_t block = 0; block < count; block++, word += (WORDS + 1) * BLOCK) {
            Floats here[VECTORS];
            for (int v = 0; v < VECTORS; v++) here[v] = all(INFINITY);
            for (int k = 0; k < BLOCK; k++) {
                for (int v = 0; v < VECTORS; v++) {
                    Floats score = spread(word[k]);
                    for (int w = 0; w < WORDS; w++)
                        score = multiply_add(score, z[w][v], spread(word[(w + 1) * BLOCK + k]));
                    here[v] = smaller(score, here[v]);
                }
            }
            for (int v = 0; v < VECTORS; v++) {
                Floats residual = load(tile.residuals + v * LANES), norm = load(tile.norms + v * LANES);
                Floats error = margins[first + block](residual, norm);
                least_scores[block][v] = here[v] - error;
                bounds[v] = smaller(here[v] + error, bounds[v]);
            }
        }
        std::memcpy(tile.bounds, bounds, sizeof bounds);
        for (int v = 0; v < VECTORS; v++) {
            for (int64_t block = 0; block < count; block++) {
                uint32_t found = bits(least_scores[block][v] <= bounds[v]);
                for (; found; found &= found - 1) measure(tile, v * LANES + __builtin_ctz(found), first + block);
            }
        }
    }

    void measure(Tile& tile, int j, int64_t block) const {
        for (int part = 0; part < BLOCK; part += LANES) {
            Floats distances = squared_differences<C>(tile.x + j, TILE, exact + block * C * BLOCK + part);
            if (!bits(distances < all(tile.distances[j]))) continue;
            tile.distances[j] = least(distances);
            uint32_t found = bits(distances == all(tile.distances[j]));
            tile.codes[j] = block * BLOCK + part + __builtin_ctz(found);
        }
    }
};
