// The fuzz targets without libFuzzer: each one gets its seeds, and mutations of them that are the
// same in every run. What only a long search finds is for `./dev fuzz`; this keeps what was found
// from coming back, in the build whose sanitizers watch the product's own compiler.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <random>
#include <string>
#include <vector>

// RIVULET_FUZZ_TARGETS: target(NAME) for each of them; the build makes it from its list.
#define target(name) extern "C" int fuzz_##name(const std::uint8_t* data, std::size_t size);
RIVULET_FUZZ_TARGETS
#undef target

namespace {

using input = std::vector<std::uint8_t>;

constexpr int mutations_of_a_target = 400;

struct fuzz_target {
    const char* name;
    int (*run)(const std::uint8_t* data, std::size_t size);
};

const fuzz_target targets[] = {
#define target(name) {#name, fuzz_##name},
    RIVULET_FUZZ_TARGETS
#undef target
};

std::vector<input> seeds_of(const std::string& name) {
    const auto folder = std::filesystem::path(RIVULET_TEST_DATA) / "corpus" / name;
    std::vector<std::filesystem::path> files;
    for (const auto& entry : std::filesystem::directory_iterator(folder))
        files.push_back(entry.path());
    std::ranges::sort(files);
    std::vector<input> seeds;
    for (const auto& path : files) {
        std::ifstream file(path, std::ios::binary);
        seeds.emplace_back(std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>());
    }
    return seeds;
}

// One to four small changes: a bit, a byte of meaning, a cut, a repeated piece.
input mutated(input from, std::mt19937& random) {
    static constexpr std::uint8_t telling[] = {0, 1, 0x7f, 0x80, 0xff, '\r', '\n', '"', '{', ';'};
    const auto below = [&random](std::size_t limit) { return random() % limit; };
    for (auto changes = 1 + below(4); changes > 0; --changes) {
        if (from.empty())
            from.push_back(0);
        const auto at = below(from.size());
        switch (below(5)) {
        case 0:
            from[at] ^= static_cast<std::uint8_t>(1u << below(8));
            break;
        case 1:
            from[at] = telling[below(std::size(telling))];
            break;
        case 2:
            from.resize(at);
            break;
        case 3: {
            const input piece(from.begin() + static_cast<std::ptrdiff_t>(at), from.end());
            from.insert(
                from.begin() + static_cast<std::ptrdiff_t>(below(from.size())),
                piece.begin(),
                piece.begin() + static_cast<std::ptrdiff_t>(below(piece.size()) + 1)
            );
            break;
        }
        default:
            from.erase(from.begin() + static_cast<std::ptrdiff_t>(at));
        }
    }
    return from;
}

class fuzz_replay : public testing::TestWithParam<fuzz_target> {};

TEST_P(fuzz_replay, takes_its_seeds_and_what_is_near_them) {
    const auto& [name, run] = GetParam();
    const auto seeds = seeds_of(name);
    ASSERT_FALSE(seeds.empty()) << "no seeds in tests/data/corpus/" << name;
    for (const auto& seed : seeds)
        run(seed.data(), seed.size());
    std::mt19937 random(1);
    for (int i = 0; i < mutations_of_a_target; ++i) {
        const auto made = mutated(seeds[static_cast<std::size_t>(i) % seeds.size()], random);
        run(made.data(), made.size());
    }
}

INSTANTIATE_TEST_SUITE_P(
    every,
    fuzz_replay,
    testing::ValuesIn(targets),
    [](const testing::TestParamInfo<fuzz_target>& what) { return std::string(what.param.name); }
);

} // namespace
