#include "webrtc/ice_lite.hpp"

#include <gtest/gtest.h>

using namespace rivulet;
using namespace rivulet::webrtc;
using namespace std::chrono_literals;

namespace {

path path_of(std::uint16_t port, bool tcp = false) {
    path made;
    made.remote = {asio::ip::make_address("192.0.2.1"), port, tcp};
    return made;
}

struct check {
    std::string user = "ours:theirs";
    std::string password = "our password";
    std::uint32_t priority = 100;
    bool nominate = false;
    bool controlled = false;
};

struct side {
    ice_lite ice{ice_parameters{"ours", "our password"}};
    time_point now = time_point{} + 1h;

    ice_reply receive(const check& what, const path& from) {
        stun_writer request(stun_class::request, {1, 2, 3});
        request.username(what.user);
        request.priority(what.priority);
        if (what.controlled)
            request.controlled(1);
        else
            request.controlling(1);
        if (what.nominate)
            request.use_candidate();
        const auto wire = request.finish(what.password);
        const auto message = parse_stun(wire);
        return ice.receive(wire, *message, from, now);
    }

    std::uint16_t selected() const { return ice.selected() ? ice.selected()->remote.port : 0; }
};

int error_of(const ice_reply& reply) {
    const auto message = parse_stun(reply.datagram);
    return message ? message->error.value_or(0) : -1;
}

} // namespace

TEST(ice_lite, answers_a_check_with_the_address_it_came_from) {
    side s;
    const auto reply = s.receive({}, path_of(4000));
    EXPECT_TRUE(reply.accepted);
    const auto answer = parse_stun(reply.datagram);
    ASSERT_TRUE(answer);
    EXPECT_EQ(answer->kind, stun_class::success);
    EXPECT_EQ(answer->transaction, (stun_transaction{1, 2, 3}));
    EXPECT_EQ(answer->mapped, udp::endpoint(asio::ip::make_address("192.0.2.1"), 4000));
    EXPECT_TRUE(has_integrity(reply.datagram, *answer, "our password"));
    EXPECT_TRUE(s.ice.knows(path_of(4000).remote));
}

TEST(ice_lite, accepts_nobody_without_the_password) {
    side s;
    check wrong;
    wrong.password = "guessed";
    const auto reply = s.receive(wrong, path_of(4000));
    EXPECT_FALSE(reply.accepted);
    EXPECT_EQ(error_of(reply), 401);
    EXPECT_FALSE(s.ice.knows(path_of(4000).remote));
    EXPECT_EQ(s.ice.selected(), nullptr);
}

TEST(ice_lite, says_nothing_to_those_who_do_not_know_its_name) {
    side s;
    check stranger;
    stranger.user = "other:theirs";
    const auto reply = s.receive(stranger, path_of(4000));
    EXPECT_FALSE(reply.accepted);
    EXPECT_TRUE(reply.datagram.empty());
}

TEST(ice_lite, stays_the_controlled_side) {
    side s;
    check confused;
    confused.controlled = true;
    EXPECT_EQ(error_of(s.receive(confused, path_of(4000))), 487);
    EXPECT_EQ(s.ice.selected(), nullptr);
}

TEST(ice_lite, sends_on_the_first_path_until_another_is_nominated) {
    side s;
    s.receive({}, path_of(4000));
    s.receive({}, path_of(4001));
    EXPECT_EQ(s.selected(), 4000);
    check nominated;
    nominated.nominate = true;
    nominated.priority = 1;
    s.receive(nominated, path_of(4001));
    EXPECT_EQ(s.selected(), 4001);
}

TEST(ice_lite, keeps_the_best_path_of_a_peer_that_nominates_all) {
    side s;
    check good, bad;
    good.nominate = bad.nominate = true;
    bad.priority = 1;
    s.receive(good, path_of(4000));
    for (int i = 0; i < 10; ++i) {
        s.now += 500ms;
        s.receive(bad, path_of(4001));
        s.receive(good, path_of(4000));
        EXPECT_EQ(s.selected(), 4000);
    }
}

TEST(ice_lite, follows_the_peer_to_a_worse_path_when_the_better_one_is_given_up) {
    side s;
    check wlan, mobile;
    wlan.nominate = mobile.nominate = true;
    mobile.priority = 1;
    s.receive(wlan, path_of(4000));
    s.now += 2s;
    s.receive(mobile, path_of(4001));
    EXPECT_EQ(s.selected(), 4000);
    s.now += 2s;
    s.receive(mobile, path_of(4001));
    EXPECT_EQ(s.selected(), 4001);
}

TEST(ice_lite, answers_the_old_credentials_until_the_new_ones_are_used) {
    side s;
    check old_one;
    old_one.nominate = true;
    s.receive(old_one, path_of(4000));
    EXPECT_FALSE(s.ice.restart({"fresh", "fresh password"}));
    EXPECT_TRUE(s.receive(old_one, path_of(4000)).accepted);
    check fresh;
    fresh.user = "fresh:theirs";
    fresh.password = "fresh password";
    fresh.nominate = true;
    fresh.priority = 1;
    const auto reply = s.receive(fresh, path_of(4001));
    EXPECT_TRUE(reply.accepted);
    EXPECT_EQ(reply.retired, "ours");
    EXPECT_EQ(s.selected(), 4001) << "a restart's nomination is newer, whatever its priority";
    EXPECT_FALSE(s.receive(old_one, path_of(4000)).accepted);
}

TEST(ice_lite, retires_the_oldest_credentials_of_two_restarts) {
    side s;
    EXPECT_FALSE(s.ice.restart({"second", "p2"}));
    EXPECT_EQ(s.ice.restart({"third", "p3"}), "ours");
    EXPECT_EQ(s.ice.fragments(), (std::vector<std::string>{"third", "second"}));
}

TEST(ice_lite, forgets_the_path_it_has_not_heard_of_longest_but_never_the_one_in_use) {
    side s;
    for (std::uint16_t i = 0; i < ice_lite::max_paths; ++i) {
        s.now += 1s;
        s.receive({}, path_of(static_cast<std::uint16_t>(4000 + i)));
    }
    EXPECT_EQ(s.selected(), 4000);
    s.now += 1s;
    const auto reply = s.receive({}, path_of(5000));
    ASSERT_TRUE(reply.forgotten);
    EXPECT_EQ(reply.forgotten->port, 4001);
    EXPECT_EQ(s.selected(), 4000);
    EXPECT_EQ(s.ice.paths().size(), ice_lite::max_paths);
}

TEST(ice_lite, falls_back_to_a_living_path_when_the_selected_one_is_lost) {
    side s;
    check nominated;
    nominated.nominate = true;
    s.receive(nominated, path_of(4000, true));
    s.now += 1s;
    s.receive({}, path_of(4001));
    s.ice.lost(path_of(4000, true).remote);
    EXPECT_EQ(s.selected(), 4001);
    s.ice.lost(path_of(4001).remote);
    EXPECT_EQ(s.ice.selected(), nullptr);
}

TEST(ice_lite, makes_credentials_of_the_demanded_length) {
    const auto made = make_ice_parameters();
    EXPECT_GE(made.ufrag.size(), 4u);
    EXPECT_GE(made.password.size(), 22u);
    EXPECT_NE(made.ufrag, make_ice_parameters().ufrag);
}
