#include "batch/spool.hpp"
#include "support/scratch.hpp"

#include <gtest/gtest.h>

#include <filesystem>

namespace rivulet::batch {
namespace {

std::span<const std::uint8_t> bytes_of(std::string_view text) {
    return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
}

std::string all_of(const spool& from, std::size_t step = 7) {
    std::string made;
    std::vector<std::uint8_t> piece(step);
    for (;;) {
        auto n = from.read(made.size(), piece);
        EXPECT_TRUE(n);
        if (!n || *n == 0)
            return made;
        made.append(reinterpret_cast<const char*>(piece.data()), *n);
    }
}

struct spool_rig {
    explicit spool_rig(std::size_t memory, std::uint64_t most = 1'000'000) {
        limits.memory = memory;
        limits.most = most;
        limits.folder = folder / "";
    }

    bool folder_empty() const { return std::filesystem::is_empty(limits.folder); }

    test::scratch folder;
    spool_limits limits;
};

TEST(batch_spool, keeps_a_little_in_memory) {
    spool_rig rig(10);
    spool kept(rig.limits);
    EXPECT_EQ(kept.view(), "");
    EXPECT_FALSE(kept.write(bytes_of("01234")));
    EXPECT_TRUE(kept.fits_memory(5));
    EXPECT_FALSE(kept.fits_memory(6));
    EXPECT_FALSE(kept.write(bytes_of("56789")));
    EXPECT_EQ(kept.view(), "0123456789");
    EXPECT_EQ(kept.size(), 10u);
    EXPECT_EQ(all_of(kept), "0123456789");
}

TEST(batch_spool, goes_on_in_a_file_that_has_no_name) {
    spool_rig rig(10);
    {
        spool kept(rig.limits);
        std::string expected;
        for (int i = 0; i < 50; ++i) {
            const auto piece = std::to_string(i) + ",";
            expected += piece;
            ASSERT_FALSE(kept.write(bytes_of(piece)));
        }
        EXPECT_FALSE(kept.view());
        EXPECT_FALSE(kept.fits_memory(1));
        EXPECT_EQ(kept.size(), expected.size());
        EXPECT_EQ(all_of(kept), expected);
        EXPECT_EQ(all_of(kept, 1000), expected);
        EXPECT_TRUE(rig.folder_empty());
    }
    EXPECT_TRUE(rig.folder_empty());
}

TEST(batch_spool, reads_from_anywhere_and_nothing_past_the_end) {
    for (const std::size_t memory : {0, 100}) {
        spool_rig rig(memory);
        spool kept(rig.limits);
        ASSERT_FALSE(kept.write(bytes_of("0123456789")));
        std::vector<std::uint8_t> piece(4);
        auto n = kept.read(8, piece);
        ASSERT_TRUE(n);
        EXPECT_EQ(*n, 2u);
        EXPECT_EQ(piece[0], '8');
        EXPECT_EQ(*kept.read(10, piece), 0u);
        EXPECT_EQ(*kept.read(1'000'000'000'000, piece), 0u);
    }
}

TEST(batch_spool, is_held_to_its_limit_exactly) {
    for (const std::size_t memory : {4, 1000}) {
        spool_rig rig(memory, 10);
        spool exact(rig.limits);
        EXPECT_FALSE(exact.write(bytes_of("0123456789")));
        spool past(rig.limits);
        EXPECT_FALSE(past.write(bytes_of("01234567")));
        EXPECT_EQ(past.write(bytes_of("89a")), errc::too_large);
        EXPECT_EQ(past.write(bytes_of("8")), errc::too_large) << "what is missing stays missing";
        EXPECT_EQ(past.size(), 8u);
    }
}

TEST(batch_spool, says_why_a_file_cannot_be_made) {
    spool_rig rig(0);
    rig.limits.folder = rig.folder / "absent";
    spool kept(rig.limits);
    const auto failed = kept.write(bytes_of("x"));
    EXPECT_EQ(failed, boost::system::errc::no_such_file_or_directory);
    EXPECT_EQ(kept.write(bytes_of("x")), failed);
}

} // namespace
} // namespace rivulet::batch
