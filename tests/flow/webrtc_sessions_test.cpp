// WHIP and WHEP as HTTP resources over real sockets, with a transport that only remembers what it
// was told.
#include "http/server.hpp"
#include "support/raw_http.hpp"
#include "support/sdp_samples.hpp"
#include "webrtc/sdp_answer.hpp"
#include "webrtc/session_routes.hpp"
#include "webrtc/whip_choice.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <mutex>
#include <thread>

namespace rivulet::test {
namespace {

using namespace std::chrono_literals;
using webrtc::open_session;
using webrtc::session_request;

class remembering_peer final : public webrtc::peer {
  public:
    explicit remembering_peer(webrtc::ice_parameters theirs) : theirs_(std::move(theirs)) {}

    const webrtc::local_transport& local() const override { return ours_; }

    const webrtc::ice_parameters& remote_ice() const override { return theirs_; }

    const webrtc::local_transport& restart_ice(webrtc::ice_parameters remote) override {
        theirs_ = std::move(remote);
        ours_.ice = {"freshUfrag", "freshPasswordOf24Charact"};
        return ours_;
    }

    bool send_rtp(std::span<const std::uint8_t>, std::span<const std::uint8_t>) override {
        return false;
    }

    bool send_rtcp(std::span<const std::uint8_t>) override { return false; }

    webrtc::peer_stats stats() const override { return {}; }

    void close() override {}

  private:
    webrtc::local_transport ours_ = sample_transport();
    webrtc::ice_parameters theirs_;
};

constexpr std::string_view path = "/live/video-to-video/cam/whip";

class live_conformance : public testing::Test {
  protected:
    live_conformance() {
        set_log_level(log_level::off);
        http::server_options options;
        options.cors = true;
        server_ = std::make_unique<http::server>(shards_, options, logger("test"));
        webrtc::session_routes_options routes;
        routes.ice_servers = webrtc::parse_ice_servers({"stun:stun.example:3478",
                                                        "turn:user:secret@turn.example:3478"})
                                 .value();
        routes_ = std::make_unique<webrtc::session_routes>(shards_, "whip", routes, logger("test"));
        const auto where = [](std::string stream) { return base_name(std::move(stream)); };
        const auto door = [this](session_request request) { return open(std::move(request)); };
        routes_->add(*server_, "/live/video-to-video/{stream}/whip", where, door);
        routes_->add(*server_, "/{stream}/whip", where, door);
        port_ = *server_->listen("127.0.0.1:0");
    }

    ~live_conformance() override {
        server_->stop(0ms);
        routes_->stop();
    }

    raw_reply ask(std::string_view request) const { return test::ask(port_, request); }

    static std::string
    post_text(std::string_view target, std::string_view body, std::string_view extra = {}) {
        return request_with_body(
            "POST", target, body, "Content-Type: application/sdp\r\n" + std::string(extra)
        );
    }

    raw_reply post(std::string_view body = {}) const {
        return ask(post_text(path, body.empty() ? sdp_sample("chromium_whip") : body));
    }

    // The path of a session that was just opened.
    std::string opened() const {
        const auto reply = post();
        EXPECT_EQ(reply.status, 201) << reply.body;
        etag_ = reply["ETag"];
        const auto location = reply["Location"];
        return location.substr(location.find("/live/"));
    }

    raw_reply patch(
        std::string_view resource,
        std::string_view body,
        std::string_view if_match,
        std::string_view type = "application/trickle-ice-sdpfrag"
    ) const {
        std::string extra = "Content-Type: " + std::string(type) + "\r\n";
        if (!if_match.empty())
            extra += "If-Match: " + std::string(if_match) + "\r\n";
        return ask(request_with_body("PATCH", resource, body, extra));
    }

    raw_reply remove(std::string_view resource) const {
        return ask(request_text("DELETE", resource));
    }

    // How the door behaves; set before a request.
    std::optional<failure> refusal_;
    bool throws_ = false, ends_at_once_ = false;
    std::atomic<int> closed_ = 0;
    std::atomic<std::size_t> ran_on_ = 99;
    std::string close_reason_;
    session_request last_;
    mutable std::string etag_;

    shards shards_{3};
    std::unique_ptr<http::server> server_;
    std::unique_ptr<webrtc::session_routes> routes_;
    std::uint16_t port_ = 0;

  private:
    static awaitable<std::string> base_name(std::string stream) {
        co_return stream.substr(0, stream.find('!'));
    }

    awaitable<outcome<open_session>> open(session_request request) {
        ran_on_ = shards_.current();
        last_ = request;
        if (throws_)
            throw std::runtime_error("a bug");
        if (refusal_)
            co_return *refusal_;
        const auto choice = webrtc::choose_whip(request.offer, {});
        if (!choice)
            co_return choice.error();
        if (ends_at_once_)
            routes_->session_ended(request.id);
        auto transport = std::make_shared<remembering_peer>(request.offer.transport.ice);
        open_session made;
        made.answer = webrtc::write_answer(request.offer, transport->local(), choice->answer);
        made.transport = std::move(transport);
        made.headers = {
            {"Livepeer-Playback-URL", request.base + "/" + request.stream + "-0a1b2c3d-out/whep"}};
        made.close = [this](std::string reason) {
            close_reason_ = std::move(reason);
            ++closed_;
        };
        co_return made;
    }
};

TEST_F(live_conformance, s1_any_other_content_type_is_415) {
    for (const auto* type : {"text/plain", "application/json", "application/sdp2", ""}) {
        const auto reply = ask(request_with_body(
            "POST", path, sdp_sample("chromium_whip"), "Content-Type: " + std::string(type) + "\r\n"
        ));
        EXPECT_EQ(reply.status, 415) << type;
        EXPECT_EQ(reply["Accept-Post"], "application/sdp");
    }
    EXPECT_EQ(ask(request_with_body("POST", path, sdp_sample("chromium_whip"))).status, 415);
    EXPECT_EQ(routes_->sessions(), 0u);
}

TEST_F(live_conformance, s1_a_valid_offer_gets_201_and_an_answer_with_candidates) {
    for (const auto* client :
         {"chromium_whip",
          "firefox_whip",
          "safari_whip",
          "obs_whip",
          "aiortc_whip",
          "gstreamer_whip",
          "pion_whip"}) {
        const auto reply = post(sdp_sample(client));
        EXPECT_EQ(reply.status, 201) << client << reply.body;
        EXPECT_EQ(reply["Content-Type"], "application/sdp");
        EXPECT_TRUE(reply.body.starts_with("v=0\r\n"));
        EXPECT_NE(reply.body.find("\r\na=candidate:"), std::string::npos);
    }
    EXPECT_EQ(routes_->sessions(), 7u);
}

TEST_F(live_conformance, s2_the_201_carries_its_headers_and_exposes_them) {
    const auto reply = post();
    ASSERT_EQ(reply.status, 201);
    EXPECT_TRUE(reply["Location"].starts_with("http://"));
    EXPECT_TRUE(reply["Location"].ends_with(std::string(path) + "/" + last_.id));
    EXPECT_TRUE(reply["ETag"].starts_with('"') && reply["ETag"].ends_with('"'));
    EXPECT_EQ(reply["Link"], "<stun:stun.example:3478>; rel=\"ice-server\"");
    EXPECT_NE(reply["Livepeer-Playback-URL"].find("cam-0a1b2c3d-out/whep"), std::string::npos);
    const auto exposed = reply["Access-Control-Expose-Headers"];
    for (const auto* name : {"Location", "ETag", "Link", "Livepeer-Playback-URL"})
        EXPECT_NE(exposed.find(name), std::string::npos) << exposed;
}

TEST_F(live_conformance, s2_a_publisher_gets_the_turn_login_too) {
    int links = 0;
    bool login = false;
    for (const auto& [name, value] : post().headers)
        if (name == "Link") {
            ++links;
            login = login || value.find("credential=\"secret\"") != std::string::npos;
        }
    EXPECT_EQ(links, 2);
    EXPECT_TRUE(login);
}

TEST_F(live_conformance, s3_the_playback_url_reaches_the_client_as_the_door_made_it) {
    const auto reply = ask(post_text("/cam/whip", sdp_sample("obs_whip")));
    EXPECT_TRUE(reply["Livepeer-Playback-URL"].ends_with("/cam-0a1b2c3d-out/whep"));
}

TEST_F(live_conformance, s4_options_is_204_and_says_what_is_accepted) {
    const auto reply = ask(request_text("OPTIONS", path));
    EXPECT_EQ(reply.status, 204);
    EXPECT_EQ(reply["Accept-Post"], "application/sdp");
    EXPECT_NE(reply["Access-Control-Allow-Methods"].find("POST"), std::string::npos);
    EXPECT_NE(reply["Access-Control-Allow-Headers"].find("Authorization"), std::string::npos);
    EXPECT_NE(reply["Link"].find("stun:"), std::string::npos);
    for (const auto& [name, value] : reply.headers)
        EXPECT_EQ(value.find("secret"), std::string::npos); // anybody may ask
    const auto resource = opened();
    const auto of_session = ask(request_text("OPTIONS", resource));
    EXPECT_EQ(of_session.status, 204);
    EXPECT_NE(of_session["Access-Control-Allow-Methods"].find("PATCH"), std::string::npos);
    EXPECT_NE(of_session["Access-Control-Allow-Headers"].find("If-Match"), std::string::npos);
    EXPECT_EQ(of_session["Accept-Patch"], "application/trickle-ice-sdpfrag");
}

TEST_F(live_conformance, s4_head_is_405) {
    raw_client client(port_);
    client.send(request_text("HEAD", path));
    const auto reply = client.read_reply(true);
    EXPECT_EQ(reply.status, 405);
    EXPECT_NE(reply["Allow"].find("POST"), std::string::npos);
    EXPECT_EQ(ask(request_text("GET", path)).status, 405);
    EXPECT_EQ(ask(request_with_body("PUT", path, "x")).status, 405);
}

TEST_F(live_conformance, s5_every_reply_may_be_read_by_a_page) {
    const auto resource = opened();
    refusal_ = failure(errc::not_found, "nobody publishes");
    for (const auto& request :
         {post_text(path, sdp_sample("obs_whip")),
          post_text(path, "garbage"),
          request_with_body("POST", path, "x"),
          request_text("GET", path),
          request_text("OPTIONS", path),
          request_text("OPTIONS", resource),
          request_text("DELETE", resource),
          request_text("DELETE", resource),
          post_text(path, std::string(70'000, 'x'))}) {
        const auto reply = ask(request);
        EXPECT_EQ(reply["Access-Control-Allow-Origin"], "*")
            << request.substr(0, 60) << " " << reply.status;
    }
}

using session_resources = live_conformance;

TEST_F(session_resources, delete_ends_the_session_once) {
    const auto resource = opened();
    EXPECT_EQ(routes_->sessions(), 1u);
    EXPECT_EQ(remove(resource).status, 200);
    EXPECT_EQ(closed_, 1);
    EXPECT_EQ(routes_->sessions(), 0u);
    EXPECT_EQ(remove(resource).status, 404);
    EXPECT_EQ(closed_, 1);
}

TEST_F(session_resources, an_unknown_session_is_404) {
    for (const auto* id :
         {"x",
          "00000000000000000000000000000000ffff",
          "000000000000000000000000000000000000",
          "0000000000000000000000000000000000-1",
          "%00"}) {
        EXPECT_EQ(remove(std::string(path) + "/" + id).status, 404) << id;
        EXPECT_EQ(patch(std::string(path) + "/" + id, "", "*").status, 404) << id;
    }
}

TEST_F(session_resources, a_session_is_not_found_below_another_stream) {
    auto resource = opened();
    const auto other = edited(resource, "/cam/", "/other/");
    EXPECT_EQ(remove(other).status, 404);
    EXPECT_EQ(remove(resource).status, 200);
}

TEST_F(session_resources, candidates_are_thanked_for) {
    const auto resource = opened();
    const auto offer = parsed_sample("chromium_whip");
    const auto body = "a=ice-ufrag:" + offer.transport.ice.ufrag +
                      "\r\na=ice-pwd:" + offer.transport.ice.password +
                      "\r\nm=audio 9 RTP/AVP 0\r\na=mid:0\r\n"
                      "a=candidate:1 1 udp 1 192.0.2.1 5000 typ host\r\n";
    EXPECT_EQ(patch(resource, body, etag_).status, 204);
    EXPECT_EQ(patch(resource, "a=end-of-candidates\r\n", etag_).status, 204);
    EXPECT_EQ(patch(resource, body, "*").status, 204);
}

TEST_F(session_resources, patch_keeps_the_rules_of_preconditions) {
    const auto resource = opened();
    EXPECT_EQ(patch(resource, "a=end-of-candidates\r\n", "").status, 428);
    EXPECT_EQ(patch(resource, "a=end-of-candidates\r\n", "\"other\"").status, 412);
    EXPECT_EQ(patch(resource, "a=end-of-candidates\r\n", etag_, "application/sdp").status, 415);
    EXPECT_EQ(patch(resource, "garbage", etag_).status, 400);
    EXPECT_EQ(patch(resource, "a=ice-ufrag:alone\r\n", etag_).status, 400);
    EXPECT_EQ(patch(resource, std::string(70'000, 'x'), etag_).status, 413);
}

TEST_F(session_resources, new_credentials_restart_ice) {
    const auto resource = opened();
    const auto before = etag_;
    const std::string body =
        "a=ice-ufrag:newer\r\na=ice-pwd:0123456789012345678901\r\na=end-of-candidates\r\n";
    const auto reply = patch(resource, body, "*");
    ASSERT_EQ(reply.status, 200) << reply.body;
    EXPECT_EQ(reply["Content-Type"], "application/trickle-ice-sdpfrag");
    EXPECT_NE(reply.body.find("a=ice-ufrag:freshUfrag\r\n"), std::string::npos);
    EXPECT_NE(reply.body.find("a=candidate:"), std::string::npos);
    EXPECT_NE(reply.body.find("a=mid:0\r\n"), std::string::npos);
    const auto after = reply["ETag"];
    EXPECT_FALSE(after.empty());
    EXPECT_NE(after, before);
    EXPECT_EQ(patch(resource, "a=end-of-candidates\r\n", before).status, 412);
    EXPECT_EQ(patch(resource, "a=end-of-candidates\r\n", after).status, 204);
    EXPECT_EQ(patch(resource, body, "*").status, 204); // the same again is no restart
}

TEST_F(session_resources, bodies_that_are_no_offer_are_refused) {
    EXPECT_EQ(ask(post_text(path, "")).status, 400);
    EXPECT_EQ(post("garbage").status, 400);
    EXPECT_EQ(post(sdp_sample("chromium_whep")).status, 400); // receives only
    EXPECT_EQ(post(std::string(webrtc::max_sdp_bytes + 1, 'x')).status, 413);
    EXPECT_EQ(post(edited(sdp_sample("obs_whip"), "H264", "H261")).status, 406);
    EXPECT_EQ(routes_->sessions(), 0u);
}

TEST_F(session_resources, the_doors_refusals_become_statuses) {
    const auto status = [&](errc code, std::string_view extra = {}) {
        refusal_ = failure(code, "because");
        const auto reply = ask(post_text(path, sdp_sample("obs_whip"), extra));
        EXPECT_NE(reply.body.find("because"), std::string::npos);
        return reply.status;
    };
    EXPECT_EQ(status(errc::unauthorized), 401);
    EXPECT_EQ(status(errc::unauthorized, "Authorization: Bearer wrong\r\n"), 403);
    EXPECT_EQ(status(errc::not_found), 404);
    EXPECT_EQ(status(errc::too_many), 429);
    EXPECT_EQ(status(errc::timed_out), 503);
    EXPECT_EQ(status(errc::no_capacity), 503);
    EXPECT_EQ(routes_->sessions(), 0u);
}

TEST_F(session_resources, the_door_learns_who_asks) {
    const auto target = std::string(path) + "?pipeline=noop&params=%7B%7D";
    const auto reply = ask(post_text(
        target,
        sdp_sample("obs_whip"),
        "Authorization: Bearer abc\r\nUser-Agent: iPhone\r\nX-Forwarded-Proto: https\r\n"
    ));
    ASSERT_EQ(reply.status, 201);
    EXPECT_EQ(last_.stream, "cam");
    EXPECT_EQ(last_.bearer, "abc");
    EXPECT_EQ(last_.user_agent, "iPhone");
    EXPECT_TRUE(last_.remote.starts_with("127.0.0.1:"));
    EXPECT_TRUE(last_.base.starts_with("https://"));
    ASSERT_EQ(last_.query.size(), 2u);
    EXPECT_EQ(last_.query[1].second, "{}");
    EXPECT_TRUE(reply["Location"].starts_with("https://"));
    EXPECT_TRUE(reply["Location"].ends_with(std::string(path) + "/" + last_.id)); // no query
}

TEST_F(session_resources, everything_runs_on_the_streams_home) {
    for (const auto* name : {"a", "b", "c", "d", "e", "f"}) {
        const auto target = "/" + std::string(name) + "!viewer/whip";
        const auto reply = ask(post_text(target, sdp_sample("obs_whip")));
        ASSERT_EQ(reply.status, 201);
        EXPECT_EQ(ran_on_, shards_.index_of(name));
        const auto location = reply["Location"];
        EXPECT_EQ(remove(location.substr(location.find(target))).status, 200);
    }
}

TEST_F(session_resources, a_session_that_ended_by_itself_is_gone) {
    const auto resource = opened();
    routes_->session_ended(last_.id); // from a foreign thread: posted
    for (int i = 0; i < 200 && routes_->sessions() > 0; ++i)
        std::this_thread::sleep_for(5ms);
    EXPECT_EQ(remove(resource).status, 404);
    EXPECT_EQ(closed_, 0);
    routes_->session_ended(last_.id); // once more does nothing
    routes_->session_ended("nonsense");
}

TEST_F(session_resources, a_session_that_ends_before_its_answer_is_not_announced) {
    ends_at_once_ = true;
    const auto reply = post();
    EXPECT_EQ(reply.status, 503);
    EXPECT_EQ(routes_->sessions(), 0u);
    EXPECT_EQ(closed_, 0); // the door has freed it already
}

TEST_F(session_resources, a_door_that_throws_leaves_nothing_behind) {
    throws_ = true;
    EXPECT_EQ(post().status, 500);
    throws_ = false;
    EXPECT_EQ(routes_->sessions(), 0u);
    EXPECT_EQ(post().status, 201);
}

TEST_F(session_resources, stop_closes_every_session_and_refuses_new_ones) {
    for (int i = 0; i < 5; ++i)
        opened();
    EXPECT_EQ(routes_->sessions(), 5u);
    routes_->stop();
    EXPECT_EQ(closed_, 5);
    EXPECT_EQ(close_reason_, "the gateway ends");
    EXPECT_EQ(routes_->sessions(), 0u);
    EXPECT_EQ(post().status, 503);
    EXPECT_EQ(closed_, 5);
}

TEST_F(session_resources, two_hundred_sessions_come_and_go) {
    raw_client client(port_);
    const auto offer = post_text(path, sdp_sample("obs_whip"));
    for (int i = 0; i < 200; ++i) {
        const auto made = client.send(offer).read_reply();
        ASSERT_EQ(made.status, 201);
        const auto location = made["Location"];
        const auto gone =
            client.send(request_text("DELETE", location.substr(location.find("/live/"))))
                .read_reply();
        ASSERT_EQ(gone.status, 200);
    }
    EXPECT_EQ(routes_->sessions(), 0u);
    EXPECT_EQ(closed_, 200);
}

} // namespace
} // namespace rivulet::test
