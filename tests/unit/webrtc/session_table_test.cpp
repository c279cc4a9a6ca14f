#include "support/sdp_samples.hpp"
#include "webrtc/session_table.hpp"

#include <gtest/gtest.h>

namespace rivulet::webrtc {
namespace {

class session_table_test : public testing::Test {
  protected:
    session_request request(const std::string& id) const {
        session_request made;
        made.id = id;
        made.stream = "cam";
        made.offer = test::parsed_sample("obs_whip");
        return made;
    }

    open_session opened() {
        open_session made;
        made.answer = "answer";
        made.headers = {{"X-More", "1"}};
        made.close = [this](std::string reason) { closed_.push_back(std::move(reason)); };
        return made;
    }

    std::atomic<std::size_t> open_ = 0;
    session_table table_{open_};
    std::vector<std::string> closed_;
};

TEST_F(session_table_test, an_opened_session_can_be_ended_once) {
    ASSERT_TRUE(table_.begin(request("a")));
    EXPECT_EQ(open_, 0u);
    const auto made = table_.finish("a", opened());
    EXPECT_FALSE(made.failed);
    EXPECT_EQ(made.answer, "answer");
    EXPECT_EQ(made.headers.size(), 1u);
    EXPECT_EQ(open_, 1u);
    EXPECT_EQ(table_.end("a", "cam").status, http::status::ok);
    EXPECT_EQ(table_.end("a", "cam").status, http::status::not_found);
    EXPECT_EQ(closed_.size(), 1u);
    EXPECT_EQ(open_, 0u);
}

TEST_F(session_table_test, nobody_reaches_a_session_that_is_not_open_yet) {
    table_.begin(request("a"));
    EXPECT_EQ(table_.end("a", "cam").status, http::status::not_found);
    EXPECT_EQ(table_.patch("a", "cam", {}).status, http::status::not_found);
    EXPECT_FALSE(table_.finish("a", opened()).failed);
}

TEST_F(session_table_test, a_refused_session_leaves_nothing) {
    table_.begin(request("a"));
    const auto made = table_.finish("a", failure(errc::not_found, "no"));
    ASSERT_TRUE(made.failed);
    EXPECT_EQ(made.failed->code, errc::not_found);
    EXPECT_EQ(table_.end("a", "cam").status, http::status::not_found);
}

TEST_F(session_table_test, a_session_that_opens_while_all_stop_is_closed) {
    table_.begin(request("a"));
    table_.stop("the end");
    const auto made = table_.finish("a", opened());
    EXPECT_TRUE(made.failed);
    EXPECT_EQ(closed_.size(), 1u);
    EXPECT_EQ(open_, 0u);
    EXPECT_FALSE(table_.begin(request("b")));
}

TEST_F(session_table_test, a_session_may_end_all_by_itself_from_its_own_close) {
    table_.begin(request("a"));
    auto decided = opened();
    decided.close = [this](const std::string&) { table_.forget("a"); };
    table_.finish("a", std::move(decided));
    EXPECT_EQ(table_.end("a", "cam").status, http::status::ok);
    EXPECT_EQ(open_, 0u);
}

TEST_F(session_table_test, a_door_that_fails_without_a_decision_is_forgotten) {
    table_.begin(request("a"));
    table_.abandon("a");
    EXPECT_TRUE(table_.finish("a", opened()).failed); // and what it opened is closed
    EXPECT_EQ(closed_.size(), 1u);
}

} // namespace
} // namespace rivulet::webrtc
