// Many channels a subspace: a matrix product in tiles of registers, codewords side by side in the lanes.
#pragma once
#include "rough_scores.h"

// Positions by vectors of codewords whose sums stay in registers.
constexpr int ROWS = LANES == 16 ? 8 : 6, COLUMNS = LANES == 16 ? 3 : 2;
constexpr int PANEL = COLUMNS * LANES;

class Products : public Rounded {
   public:
    Products(const Problem& problem, int64_t s)
        : Rounded(problem, s, up(problem.c, LANES)), c(problem.c), words(up(c, CHANNELS) / CHANNELS),
          width(up(c, LANES)), codebook(problem.codebook(s)), few(problem.B * problem.P < 12),
          packed(parts() * (HEAD + words) * PANEL) {}

    int64_t parts() const override { return up(problem.K, PANEL) / PANEL; }

    // A panel: squared lengths less the constants of the margins, the other numbers of the margins, then the words of
    // PANEL codewords side by side.
    void pack(int64_t panel) override {
        if (few) return;
        Word* place = packed + panel * (HEAD + words) * PANEL;
        Buffer<float> word(width);
        std::fill_n(&word[0], width, 0.0f);
        for (int64_t j = 0; j < PANEL; j++) {
            int64_t k = panel * PANEL + j;
            float head[HEAD] = {4 * FAR, 0, 0};  // past the last codeword: never near
            if (k < problem.K) {
                for (int64_t i = 0; i < c; i++) word[i] = scale(codebook[k * c + i]);
                Extent extent = round_off(word, word);
                Margin error = margin(extent.norm, extent.residual);
                head[0] = float(extent.squared) - error.constant;
                head[1] = error.per_residual;
                head[2] = error.per_norm;
            }
            for (int64_t i = 0; i < HEAD; i++) std::memcpy(place + i * PANEL + j, head + i, sizeof(float));
            for (int64_t i = 0; i < words; i++) place[(HEAD + i) * PANEL + j] = word_of(word + i * CHANNELS);
        }
    }

    void search(int64_t start, int64_t count) const override {
        int64_t tiles = (count + ROWS - 1) / ROWS;
        Buffer<Word> left(tiles * words * ROWS);
        Buffer<float> x(count * width), doubled(width);
        std::vector<Row> rows(tiles * ROWS);
        std::fill_n(&left[0], tiles * words * ROWS, Word{});
        std::fill_n(&x[0], count * width, 0.0f);
        problem.pieces(s, start, count, [&](int64_t at, int64_t n, const float* z, int64_t*) {
            for (int64_t i = 0; i < c; i++)
                for (int64_t j = 0; j < n; j++)
                    x[(at + j) * width + i] = scale(z[i * problem.stride_c + j * problem.stride_P]);
        });
        for (int64_t j = 0; j < count; j++) {
            Row& row = rows[j];
            row.x = x + j * width;
            row.extent = round_off(row.x, doubled);
            row.limit = row.score = FAR;
            for (int64_t i = 0; i < width; i++) doubled[i] *= -2;
            Word* place = left + j / ROWS * words * ROWS + j % ROWS;
            for (int64_t i = 0; i < words; i++) place[i * ROWS] = word_of(doubled + i * CHANNELS);
        }
        for (int64_t j = 0; few && j < count; j++)
            for (int64_t k = 0; k < problem.K; k++) measure(rows[j], k);
        for (int64_t panel = 0; !few && panel < parts(); panel++)
            for (int64_t tile = 0; tile < tiles; tile++) screen(left + tile * words * ROWS, panel, &rows[tile * ROWS]);
        problem.pieces(s, start, count, [&](int64_t at, int64_t n, const float*, int64_t* codes) {
            for (int64_t j = 0; j < n; j++) codes[j] = rows[at + j].code;
        });
    }

   private:
    static constexpr float FAR = 0x1p122f;  // beyond all distances
    static constexpr int HEAD = 3, HALF = LANES / 2;
    typedef float HalfFloats __attribute__((vector_size(4 * HALF)));
    typedef double Doubles __attribute__((vector_size(8 * HALF)));
    struct Extent {
        double squared;  // length of a vector less the centre
        float norm;      // length of it or of its rounded form, whichever is longer
        float residual;  // distance between the two
    };
    struct Row {
        const float* x;
        Extent extent;
        float limit;              // an fp32 distance beyond it is not the least
        float score = -INFINITY;  // of the nearest so far; rows that only fill up a tile look for nothing
        double distance = INFINITY;
        int64_t code = 0;
    };
    const int64_t c, words, width;
    const float* const codebook;
    const bool few;       // positions, so that packing would take longer than to measure every codeword
    Buffer<Word> packed;  // (panels, HEAD + words, PANEL)

    static int64_t up(int64_t count, int64_t step) { return (count + step - 1) / step * step; }

    static Doubles doubles(const float* from) { return __builtin_convertvector(load<HalfFloats>(from), Doubles); }

    // Subtract the centre and round, from `vector` to `channels`; both are filled up to `width`.
    Extent round_off(const float* vector, float* channels) const {
        Doubles squared = {}, rounded_squared = {}, residual = {};
        for (int64_t i = 0; i < width; i += HALF) {
            Doubles exact = doubles(vector + i) - doubles(centre + i);
            for (int lane = 0; lane < HALF; lane++) channels[i + lane] = rounded(float(exact[lane]));
            Doubles near = doubles(channels + i);
            squared += exact * exact;
            rounded_squared += near * near;
            residual += (exact - near) * (exact - near);
        }
        double longer = std::max(total<double>(squared), total<double>(rounded_squared));
        float norm = float(std::sqrt(longer)), distance = float(std::sqrt(total<double>(residual)));
        return {total<double>(squared), norm * 1.00001f, distance * 1.00001f};
    }

    // The least that a codeword may score, of ROWS positions by one panel.
    void screen(const Word* left, int64_t panel, Row* rows) const {
        const Word* right = packed + panel * (HEAD + words) * PANEL;
        Floats scores[ROWS][COLUMNS];
        for (int r = 0; r < ROWS; r++) {
            for (int v = 0; v < COLUMNS; v++) {
                Floats per_residual = load(right + PANEL + v * LANES), per_norm = load(right + 2 * PANEL + v * LANES);
                Floats error = per_residual * rows[r].extent.residual + per_norm * rows[r].extent.norm;
                scores[r][v] = load(right + v * LANES) - error;
            }
        }
        right += HEAD * PANEL;
        for (int64_t i = 0; i < words; i++, left += ROWS, right += PANEL) {
            Floats e[COLUMNS];
            for (int v = 0; v < COLUMNS; v++) e[v] = load(right + v * LANES);
            for (int r = 0; r < ROWS; r++) {
                Floats z = spread(left[r]);
                for (int v = 0; v < COLUMNS; v++) scores[r][v] = multiply_add(scores[r][v], z, e[v]);
            }
        }
        for (int r = 0; r < ROWS; r++) {
            Floats lowest = scores[r][0];
            for (int v = 1; v < COLUMNS; v++) lowest = smaller(lowest, scores[r][v]);
            if (bits(lowest <= all(rows[r].score))) measure_near(rows[r], panel * PANEL, scores[r], least(lowest));
        }
    }

    void measure_near(Row& row, int64_t start, const Floats* scores, float lowest) const {
        uint32_t measured[COLUMNS] = {};
        for (float within : {lowest, INFINITY}) {  // the best first, because it leaves fewer of the others
            for (int v = 0; v < COLUMNS; v++) {
                uint32_t found = bits(scores[v] <= all(std::min(within, row.score))) & ~measured[v];
                measured[v] = found;
                for (; found; found &= found - 1) measure(row, start + v * LANES + __builtin_ctz(found));
            }
        }
    }

    void measure(Row& row, int64_t k) const {
        if (k >= problem.K) return;
        const float* e = codebook + k * c;
        if (!(squared_distance<float, Floats>(row.x, e) <= row.limit)) return;
        double distance = squared_distance<double, HalfFloats, Doubles>(row.x, e);
        if (distance < row.distance || (distance == row.distance && k < row.code)) {
            row.distance = distance;
            row.code = k;
            row.limit = float(distance) * (1 + rounding) + 0x1p-100f;
            double score = distance - row.extent.squared;
            score += 0x1p-22 * std::fabs(score) + 0x1p-28 * rounding * (distance + row.extent.squared);  // rounding
            row.score = float(score);
        }
    }

    template <class Number, class Given, class Vector = Given>
    Number squared_distance(const float* x, const float* e) const {
        constexpr int STEP = sizeof(Given) / sizeof(float);
        Vector sums = {};
        int64_t i = 0;
        for (; i + STEP <= c; i += STEP) {
            Vector difference = __builtin_convertvector(load<Given>(x + i), Vector);
            difference -= __builtin_convertvector(load<Given>(e + i) * scale.factor, Vector);
            sums += difference * difference;
        }
        Number sum = total<Number>(sums);
        for (; i < c; i++) {
            Number difference = Number(x[i]) - Number(e[i] * scale.factor);
            sum += difference * difference;
        }
        return sum;
    }

    template <class Number, class Vector>
    static Number total(const Vector& lanes) {
        Number values[sizeof(Vector) / sizeof(Number)];
        std::memcpy(values, &lanes, sizeof values);
        for (int half = sizeof(Vector) / sizeof(Number) / 2; half; half /= 2)
            for (int i = 0; i < half; i++) values[i] += values[i + half];
        return values[0];
    }
};
