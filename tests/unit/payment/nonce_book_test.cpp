#include "payment/nonce_book.hpp"

#include <gtest/gtest.h>

#include <set>
#include <thread>
#include <vector>

namespace rivulet::payment {
namespace {

using namespace std::chrono_literals;

const time_point start = time_point() + 1h;

TEST(payments_conformance, s8_numbers_begin_at_1_and_go_on_without_a_gap) {
    nonce_book book;
    EXPECT_EQ(book.take("0xaa", 3, start), 1u);
    EXPECT_EQ(book.take("0xaa", 2, start), 4u);
    EXPECT_EQ(book.take("0xbb", 1, start), 1u); // new parameters, new numbers
    EXPECT_EQ(book.take("0xaa", 1, start), 6u);
}

TEST(payments_conformance, s8_payments_at_once_never_share_a_number) {
    nonce_book book;
    std::mutex guard;
    std::set<std::uint32_t> seen;
    std::vector<std::thread> threads;
    for (int t = 0; t < 4; ++t)
        threads.emplace_back([&] {
            for (int i = 0; i < 50; ++i) {
                const auto first = book.take("0xaa", 3, start);
                ASSERT_TRUE(first);
                const std::lock_guard lock(guard);
                for (std::uint32_t n = 0; n < 3; ++n)
                    EXPECT_TRUE(seen.insert(*first + n).second);
            }
        });
    for (auto& thread : threads)
        thread.join();
    EXPECT_EQ(seen.size(), 600u);
    EXPECT_EQ(*seen.begin(), 1u);
    EXPECT_EQ(*seen.rbegin(), 600u);
}

TEST(nonce_book, stops_where_orchestrators_stop_taking_them) {
    nonce_book book;
    EXPECT_EQ(book.take("0xaa", 599, start), 1u);
    EXPECT_FALSE(book.take("0xaa", 2, start));
    EXPECT_EQ(book.take("0xaa", 1, start), 600u);
    EXPECT_FALSE(book.take("0xaa", 1, start));
    EXPECT_FALSE(book.take("0xbb", 4'000'000'000u, start));
}

TEST(nonce_book, forgets_what_has_long_expired) {
    nonce_book book;
    book.take("0xaa", 1, start);
    book.take("0xbb", 1, start + 31min);
    EXPECT_EQ(book.sessions(), 1u);
}

} // namespace
} // namespace rivulet::payment
