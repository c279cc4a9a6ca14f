// Files of answers over real sockets: taken over from orchestrators, kept, and served under names
// of the gateway.
#include "base/deadline.hpp"
#include "batch/result_media.hpp"
#include "support/batch_rig.hpp"
#include "support/batch_samples.hpp"
#include "support/hostile_http.hpp"
#include "support/run_on.hpp"

#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <fmt/core.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <set>
#include <thread>

namespace rivulet {
namespace {

namespace json = boost::json;
using namespace std::chrono_literals;
using test::batch_reply;
using test::batch_rig;
using test::batch_rig_options;
using test::batch_sample;
using test::fake_batch_orchestrator;
using test::request_text;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::MatchesRegex;
using testing::Not;

constexpr auto prompt = R"({"prompt":"a river"})";

std::string image(std::string_view url, std::int64_t seed = 1, bool nsfw = false) {
    return fmt::format(R"({{"url":"{}","seed":{},"nsfw":{}}})", url, seed, nsfw);
}

batch_reply images(const std::vector<std::string>& list) {
    std::string text;
    for (const auto& each : list)
        text += (text.empty() ? "" : ",") + each;
    return fake_batch_orchestrator::json("{\"images\":[" + text + "]}");
}

std::string data_url(const char* type, const std::string& sample) {
    return fake_batch_orchestrator::data_url(type, batch_sample(sample));
}

std::string url_of(const test::raw_reply& reply, std::size_t i = 0) {
    const auto body = json::parse(reply.body);
    return std::string(body.at("images").at(i).at("url").as_string());
}

TEST(batch_conformance, s1_a_prompt_gives_a_png_under_a_path_of_the_gateway) {
    batch_rig rig;
    const auto reply = rig.post("/text-to-image", prompt);
    EXPECT_EQ(reply.status, 200) << reply.body;
    EXPECT_EQ(reply["Content-Type"], "application/json");
    EXPECT_EQ(json::parse(reply.body).at("images").as_array().size(), 1u);
    EXPECT_THAT(url_of(reply), MatchesRegex("/stream/[0-9a-f]+/.+\\.png"));
}

TEST(batch_conformance, s2_the_picture_is_served_with_its_type_and_length) {
    batch_rig rig;
    const auto reply = rig.get(url_of(rig.post("/text-to-image", prompt)));
    EXPECT_EQ(reply.status, 200);
    EXPECT_EQ(reply["Content-Type"], "image/png");
    EXPECT_EQ(reply["Access-Control-Allow-Origin"], "*");
    EXPECT_EQ(reply["Content-Length"], std::to_string(reply.body.size()));
    EXPECT_THAT(reply["Access-Control-Expose-Headers"], HasSubstr("Content-Length"));
    EXPECT_EQ(reply["X-Content-Type-Options"], "nosniff");
    EXPECT_EQ(reply["Content-Disposition"], "inline");
}

TEST(batch_conformance, s3_what_is_not_there_is_404) {
    batch_rig rig;
    const auto path = url_of(rig.post("/text-to-image", prompt));
    auto guess = path;
    guess[10] = guess[10] == '0' ? '1' : '0';
    for (const auto& each :
         {std::string("/stream/unknown/x.png"),
          guess,
          path + "x",
          path + "?",
          path.substr(0, 41),
          std::string("/stream/..%2f..%2fetc/passwd")}) {
        const auto reply = rig.get(each);
        EXPECT_EQ(reply.status, each.ends_with('?') ? 200 : 404) << each;
    }
}

TEST(batch_conformance, s4_a_data_url_is_stored_as_it_came) {
    batch_rig rig;
    for (const auto& [type, sample, extension] :
         {std::array{"image/png", "still.png", "png"},
          std::array{"image/jpeg", "still.jpg", "jpg"},
          std::array{"image/png", "still.webp", "webp"}}) { // a type that is a lie
        rig[0].answer_next(images({image(data_url(type, sample))}));
        const auto url = url_of(rig.post("/text-to-image", prompt));
        EXPECT_THAT(url, testing::EndsWith(extension));
        const auto reply = rig.get(url);
        EXPECT_EQ(reply.body, batch_sample(sample)) << "to the byte, so to the pixel";
    }
}

TEST(batch_conformance, s5_a_download_is_fetched_and_its_host_never_appears) {
    batch_rig rig;
    rig[0].serve_file("/results/a.png?token=secret", "image/png", batch_sample("still.png"));
    rig[0].serve_file("/results/a.png", "image/png", batch_sample("still.png"));
    for (const auto& url :
         {rig[0].url() + "/results/a.png?token=secret",
          std::string("/results/a.png"),
          std::string("results/a.png")}) {
        rig[0].answer_next(images({image(url)}));
        const auto reply = rig.post("/text-to-image", prompt);
        ASSERT_EQ(reply.status, 200) << reply.body;
        EXPECT_THAT(reply.body, Not(HasSubstr("127.0.0.1")));
        EXPECT_THAT(reply.body, Not(HasSubstr("secret")));
        EXPECT_EQ(rig.get(url_of(reply)).body, batch_sample("still.png"));
    }
    EXPECT_EQ(rig[0].fetched().size(), 3u);
}

TEST(batch_conformance, s6_seeds_and_nsfw_pass_through_in_order) {
    batch_rig rig;
    const auto png = data_url("image/png", "still.png");
    const auto jpg = data_url("image/jpeg", "still.jpg");
    rig[0].answer_next(images({image(png, 4294967295), image(jpg, 7, true), image(png, 0)}));
    const auto reply = rig.post("/text-to-image", prompt);
    ASSERT_EQ(reply.status, 200) << reply.body;
    const auto body = json::parse(reply.body);
    EXPECT_EQ(body.at("images").at(0).at("seed").to_number<std::int64_t>(), 4294967295);
    EXPECT_EQ(body.at("images").at(1).at("seed").to_number<std::int64_t>(), 7);
    EXPECT_EQ(body.at("images").at(2).at("seed").to_number<std::int64_t>(), 0);
    EXPECT_FALSE(body.at("images").at(0).at("nsfw").as_bool());
    EXPECT_TRUE(body.at("images").at(1).at("nsfw").as_bool());
    EXPECT_EQ(rig.get(url_of(reply, 1))["Content-Type"], "image/jpeg");
    EXPECT_EQ(rig.get(url_of(reply, 2))["Content-Type"], "image/png");
}

TEST(batch_conformance, s7_twenty_pictures_of_one_answer_are_all_there) {
    batch_rig rig;
    std::vector<std::string> list;
    for (int i = 0; i < 20; ++i) {
        const auto path = fmt::format("/{}.png", i);
        rig[0].serve_file(path, "image/png", batch_sample("still.png"));
        list.push_back(image(i % 2 ? rig[0].url() + path : data_url("image/jpeg", "still.jpg")));
    }
    rig[0].answer_next(images(list));
    const auto reply = rig.post("/text-to-image", prompt);
    ASSERT_EQ(reply.status, 200) << reply.body;
    std::set<std::string> urls;
    for (std::size_t i = 0; i < 20; ++i) {
        urls.insert(url_of(reply, i));
        EXPECT_EQ(rig.get(url_of(reply, i)).body, batch_sample(i % 2 ? "still.png" : "still.jpg"));
    }
    EXPECT_EQ(urls.size(), 20u);
}

TEST(batch_conformance, s48_a_download_from_another_host_is_not_made) {
    batch_rig rig;
    fake_batch_orchestrator stranger;
    stranger.serve_file("/a.png", "image/png", batch_sample("still.png"));
    // The same machine by another name: what matters is that it is not who answered.
    const auto elsewhere = fmt::format("http://localhost:{}/a.png?key=secret", stranger.port());
    for (const auto& url :
         {elsewhere,
          std::string("http://169.254.169.254/latest/meta-data"),
          std::string("http://[::1]:5935/a.png"),
          std::string("file:///etc/passwd")}) {
        rig[0].answer_next(images({image(url)}));
        const auto reply = rig.post("/text-to-image", prompt);
        EXPECT_EQ(reply.status, 500) << url;
        EXPECT_THAT(reply.body, Not(HasSubstr("secret")));
    }
    EXPECT_THAT(stranger.fetched(), IsEmpty());
}

TEST(batch_results, a_file_is_fetched_twice_before_it_is_given_up) {
    batch_rig rig;
    rig[0].answer_next(images({image(rig[0].url() + "/missing.png")}));
    EXPECT_EQ(rig.post("/text-to-image", prompt).status, 500);
    EXPECT_EQ(rig[0].fetched().size(), 2u);
}

TEST(batch_results, what_is_no_picture_is_no_result) {
    batch_rig rig;
    rig[0].serve_file("/a.png", "image/png", "<html>Not ready</html>");
    for (const auto& url :
         {rig[0].url() + "/a.png",
          data_url("image/png", "sound.wav"),
          fake_batch_orchestrator::data_url("image/png", batch_sample("still.png").substr(0, 120)),
          std::string("data:image/png;base64,####"),
          std::string("data:image/png,plain")}) {
        rig[0].answer_next(images({image(url)}));
        EXPECT_EQ(rig.post("/text-to-image", prompt).status, 500) << url;
    }
}

TEST(batch_results, sound_comes_as_sound) {
    batch_rig rig;
    rig[0].answer_next(fake_batch_orchestrator::json(
        "{\"audio\":{\"url\":\"" + data_url("audio/wav", "sound.mp3") + "\"}}"
    ));
    const auto reply = rig.post("/text-to-speech", R"({"text":"a river"})");
    ASSERT_EQ(reply.status, 200) << reply.body;
    const std::string url(json::parse(reply.body).at("audio").at("url").as_string());
    EXPECT_THAT(url, MatchesRegex("/stream/[0-9a-f]+/.+\\.mp3"));
    const auto file = rig.get(url);
    EXPECT_EQ(file["Content-Type"], "audio/mpeg");
    EXPECT_EQ(file.body, batch_sample("sound.mp3"));
}

TEST(batch_results, parts_of_a_file_can_be_asked_for) {
    batch_rig rig;
    const auto url = url_of(rig.post("/text-to-image", prompt));
    const auto whole = rig.get(url);
    const auto part = test::ask(rig.port(), request_text("GET", url, "Range: bytes=1-3\r\n"));
    EXPECT_EQ(part.status, 206);
    EXPECT_EQ(part.body, whole.body.substr(1, 3));
    EXPECT_EQ(part["Content-Range"], fmt::format("bytes 1-3/{}", whole.body.size()));
    EXPECT_EQ(part["Access-Control-Allow-Origin"], "*");
    const auto known =
        test::ask(rig.port(), request_text("GET", url, "If-None-Match: " + whole["ETag"] + "\r\n"));
    EXPECT_EQ(known.status, 304);
    test::raw_client client(rig.port());
    client.send(request_text("HEAD", url));
    const auto head = client.read_reply(true);
    EXPECT_EQ(head.status, 200);
    EXPECT_EQ(head["Content-Length"], std::to_string(whole.body.size()));
}

TEST(batch_results, what_is_refused_is_told_to_both_kinds_of_clients) {
    batch_rig rig;
    const auto url = url_of(rig.post("/text-to-image", prompt));
    const auto past = test::ask(rig.port(), request_text("GET", url, "Range: bytes=900000-\r\n"));
    EXPECT_EQ(past.status, 416);
    EXPECT_THAT(past["Content-Range"], MatchesRegex("bytes \\*/[0-9]+"));
    EXPECT_EQ(past["Access-Control-Allow-Origin"], "*");
    const auto other = test::ask(rig.port(), request_text("GET", url, "If-Match: \"x\"\r\n"));
    EXPECT_EQ(other.status, 412);
    EXPECT_EQ(other["Access-Control-Allow-Origin"], "*");
    EXPECT_FALSE(other["ETag"].empty());
    for (const auto& reply : {past, other, rig.get(url + "x")}) {
        const auto body = json::parse(reply.body);
        EXPECT_EQ(body.at("error").at("code").as_int64(), reply.status);
        EXPECT_EQ(body.at("detail").at("msg"), body.at("error").at("message"));
    }
}

TEST(batch_results, files_that_find_no_memory_are_no_fault_of_anybody) {
    batch_rig_options options;
    options.service.memory = 4'000'000;
    batch_rig rig(options);
    // Somebody else has nearly half of it.
    test::raw_client other(rig.port());
    other.send(
        request_text("POST", "/text-to-image", "Content-Length: 1900001\r\n") +
        std::string(1'900'000, ' ')
    );
    rig[0].serve_file("/large.png", "image/png", std::string(3'000'000, 'x'));
    ASSERT_TRUE(rig.comes_to("rivulet_batch_memory_bytes", 1'900'000));
    for (const auto& url :
         {rig[0].url() + "/large.png",
          fake_batch_orchestrator::data_url("image/png", std::string(1'200'000, 'x'))}) {
        rig[0].answer_next(images({image(url)}));
        const auto reply = rig.post("/text-to-image", prompt);
        EXPECT_EQ(reply.status, 503) << reply.body;
        EXPECT_TRUE(reply.has("Retry-After"));
        EXPECT_THAT(rig.suspended(), IsEmpty());
    }
    EXPECT_EQ(rig.asked(), 2u);
    rig[0].answer_next(images({image(data_url("image/png", "still.png"))}));
    EXPECT_EQ(rig.post("/text-to-image", prompt).status, 200);
}

TEST(batch_results, a_folder_keeps_them_over_a_restart) {
    const test::scratch scratch;
    batch_rig_options options;
    options.service.results.folder = scratch / "results";
    std::string url, body;
    {
        batch_rig rig(options);
        url = url_of(rig.post("/text-to-image", prompt));
        body = rig.get(url).body;
        EXPECT_FALSE(body.empty());
    }
    batch_rig rig(options);
    const auto reply = rig.get(url);
    EXPECT_EQ(reply.status, 200);
    EXPECT_EQ(reply["Content-Type"], "image/png");
    EXPECT_EQ(reply.body, body);
    const auto part = test::ask(rig.port(), request_text("GET", url, "Range: bytes=-4\r\n"));
    EXPECT_EQ(part.body, body.substr(body.size() - 4));
}

TEST(batch_results, they_are_gone_when_their_time_is_over) {
    batch_rig_options options;
    options.service.results.keep = 50ms;
    batch_rig rig(options);
    const auto url = url_of(rig.post("/text-to-image", prompt));
    std::this_thread::sleep_for(60ms);
    EXPECT_EQ(rig.get(url).status, 404);
}

// The intake alone, so that its limits can be short.
struct intake_rig {
    observe::metrics metrics;
    batch::result_store_options store_options;
    batch::result_media_options options;
    blocking_threads blocking{1};
    shards threads{1};

    outcome<json::object> take_in(batch::reply_kind kind, json::object body, std::string peer) {
        set_log_level(log_level::off);
        auto store = batch::result_store::open(store_options, metrics, logger("test")).value();
        batch::result_media media(store, blocking, options);
        auto taken = outcome<void>();
        test::run_on(threads.at(0).get_executor(), take(media, kind, body, peer, taken));
        if (!taken)
            return taken.error();
        return body;
    }

    outcome<json::object> take_image(const std::string& url, const std::string& peer) {
        return take_in(
            batch::reply_kind::images,
            json::parse("{\"images\":[" + image(url) + "," + image(url) + "]}").as_object(),
            peer
        );
    }

  private:
    static awaitable<void> take(
        batch::result_media& media,
        batch::reply_kind kind,
        json::object& body,
        std::string peer,
        outcome<void>& taken
    ) {
        taken = co_await media.take_in(kind, body, std::move(peer), "https://gate.example");
    }
};

TEST(result_media, puts_the_base_before_its_paths) {
    intake_rig rig;
    const auto body = rig.take_image(data_url("image/png", "still.png"), "http://127.0.0.1:1");
    ASSERT_TRUE(body) << body.error().detail;
    EXPECT_THAT(
        std::string(body->at("images").at(1).at("url").as_string()),
        MatchesRegex("https://gate\\.example/stream/[0-9a-f]{32}/[0-9a-f]{16}\\.png")
    );
}

TEST(result_media, leaves_answers_without_files_alone) {
    intake_rig rig;
    const auto body = rig.take_in(
        batch::reply_kind::text,
        json::parse(R"({"text":"http://a"})").as_object(),
        "http://127.0.0.1:1"
    );
    ASSERT_TRUE(body);
    EXPECT_EQ(json::serialize(*body), R"({"text":"http://a"})");
    EXPECT_TRUE(rig.take_in(
        batch::reply_kind::images, json::parse(R"({"images":[]})").as_object(), "http://127.0.0.1:1"
    ));
}

TEST(result_media, takes_videos_of_both_ways_to_send_them) {
    intake_rig rig;
    fake_batch_orchestrator peer;
    peer.serve_file("/v", "application/octet-stream", batch_sample("clip.webm"));
    for (const auto& [url, extension] :
         {std::pair{peer.url() + "/v", "webm"}, {data_url("video/mp4", "clip.mp4"), "mp4"}}) {
        const auto body = rig.take_in(
            batch::reply_kind::video,
            json::parse("{\"images\":[" + image(url) + "]}").as_object(),
            peer.url()
        );
        ASSERT_TRUE(body) << body.error().detail;
        EXPECT_THAT(
            std::string(body->at("images").at(0).at("url").as_string()),
            testing::EndsWith(extension)
        );
    }
}

TEST(result_media, gives_up_who_never_ends_in_time) {
    test::hostile_http peer([](const std::string&) {
        return test::hostile_reply("HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n", "x", 20ms);
    });
    intake_rig rig;
    rig.options.limit = 150ms;
    const auto begun = steady_clock::now();
    const auto body = rig.take_image(peer.url() + "/a.png", peer.url());
    ASSERT_FALSE(body);
    EXPECT_EQ(body.error().code, errc::timed_out);
    EXPECT_LT(steady_clock::now() - begun, 3s);
}

TEST(result_media, takes_no_more_bytes_than_a_file_may_have) {
    intake_rig rig;
    rig.store_options.file_bytes = 10'000;
    test::hostile_http endless([](const std::string&) {
        return test::hostile_reply("HTTP/1.1 200 OK\r\n\r\n", std::string(4'000, 'x'));
    });
    const auto body = rig.take_image(endless.url() + "/a.png", endless.url());
    ASSERT_FALSE(body);
    EXPECT_EQ(body.error().code, errc::too_large);
    test::hostile_http honest([](const std::string&) {
        return test::hostile_reply("HTTP/1.1 200 OK\r\nContent-Length: 10001\r\n\r\n");
    });
    EXPECT_EQ(rig.take_image(honest.url() + "/a.png", honest.url()).error().code, errc::too_large)
        << "said before a byte of it came";
    const auto large = fake_batch_orchestrator::data_url("image/png", std::string(10'001, 'x'));
    EXPECT_EQ(rig.take_image(large, honest.url()).error().code, errc::too_large);
}

TEST(result_media, follows_nobody_elsewhere) {
    fake_batch_orchestrator elsewhere;
    elsewhere.serve_file("/a.png", "image/png", batch_sample("still.png"));
    test::hostile_http peer([&](const std::string&) {
        return test::hostile_reply(
            "HTTP/1.1 302 Found\r\nContent-Length: 0\r\nLocation: " + elsewhere.url() +
            "/a.png\r\n\r\n"
        );
    });
    intake_rig rig;
    const auto body = rig.take_image(peer.url() + "/a.png", peer.url());
    ASSERT_FALSE(body);
    EXPECT_EQ(body.error().code, errc::http_status);
    EXPECT_THAT(elsewhere.fetched(), IsEmpty());
}

TEST(result_media, a_public_name_that_leads_home_is_not_followed) {
    intake_rig rig;
    rig.options.foreign_hosts = true;
    fake_batch_orchestrator home;
    home.serve_file("/a.png", "image/png", batch_sample("still.png"));
    const auto body = rig.take_image(
        fmt::format("http://127.0.0.1.:{}/a.png", home.port()), "http://10.255.255.1:8935"
    );
    ASSERT_FALSE(body);
    EXPECT_THAT(home.fetched(), IsEmpty());
}

awaitable<void> give_up(std::shared_ptr<batch::result_media> media, std::string url) {
    using namespace asio::experimental::awaitable_operators;
    auto body = json::parse("{\"images\":[" + image(url) + "," + image(url) + "]}").as_object();
    auto work = media->take_in(batch::reply_kind::images, body, url, "");
    co_await (std::move(work) || expire_after(100ms));
}

TEST(result_media, a_client_that_leaves_ends_its_downloads) {
    fake_batch_orchestrator peer;
    test::hostile_http silent([](const std::string&) { return test::hostile_reply(""); });
    intake_rig rig;
    set_log_level(log_level::off);
    auto store = batch::result_store::open(rig.store_options, rig.metrics, logger("test")).value();
    auto media = std::make_shared<batch::result_media>(store, rig.blocking, rig.options);
    const auto begun = steady_clock::now();
    test::run_on(rig.threads.at(0).get_executor(), give_up(media, silent.url()));
    EXPECT_LT(steady_clock::now() - begun, 2s);
    EXPECT_EQ(silent.requests(), 2u);
}

} // namespace
} // namespace rivulet
