// The CPU models of the built-in orchestrator, asked directly and through a gateway.
#include "base/base64.hpp"
#include "support/batch_rig.hpp"
#include "support/batch_samples.hpp"
#include "worker/model_functions.hpp"
#include "worker/picture.hpp"
#include "worker/service.hpp"

#include <boost/json/parse.hpp>
#include <gtest/gtest.h>

#include <functional>
#include <thread>

namespace rivulet::test {
namespace {

using namespace std::chrono_literals;
namespace json = boost::json;

bool eventually(const std::function<bool()>& holds, duration limit = 20s) {
    const auto until = steady_clock::now() + limit;
    while (!holds()) {
        if (steady_clock::now() > until)
            return false;
        std::this_thread::sleep_for(5ms);
    }
    return true;
}

class node {
  public:
    explicit node(worker::orchestrator_options wanted = {}) {
        worker::service_options options;
        options.service_addr = "127.0.0.1:0";
        options.orchestrator = std::move(wanted);
        service_ = std::make_unique<worker::service>(shards_, std::move(options), logger("node"));
        port_ = service_->start().value();
    }

    ~node() { service_->stop(0s); }

    raw_reply post(const std::string& path, std::string_view body, std::string_view extra = {}) {
        raw_client client(port_);
        client.deadline(60s);
        client.send(request_with_body("POST", path, body, extra));
        return client.read_reply();
    }

    raw_reply post(const std::string& path, const form_text& form) {
        return post(path, form.body(), form_text::header());
    }

    std::optional<worker::offered_model> offered(session::capability_id capability) const {
        for (auto& each : service_->offer().models)
            if (each.capability == capability)
                return each;
        return std::nullopt;
    }

    std::vector<worker::offered_model> offers() const { return service_->offer().models; }

    std::uint16_t port() const { return port_; }

    const std::string& url() const { return service_->url(); }

  private:
    shards shards_{2};
    std::unique_ptr<worker::service> service_;
    std::uint16_t port_ = 0;
};

// A picture of that size with one line of text.
std::string picture(int width, int height, std::string_view text = "hello") {
    worker::model_call call;
    call.fields["prompt"] = text;
    call.fields["width"] = width;
    call.fields["height"] = height;
    call.fields["seed"] = 7;
    return worker::draw_test_cards(call).value().files.at(0).bytes;
}

std::string bytes_of_data_url(std::string_view url, std::string_view type) {
    const auto head = "data:" + std::string(type) + ";base64,";
    EXPECT_TRUE(url.starts_with(head)) << url.substr(0, 60);
    return from_base64(url.substr(std::min(head.size(), url.size()))).value_or("");
}

std::string first_url(const raw_reply& reply) {
    EXPECT_EQ(reply.status, 200) << reply.body.substr(0, 300);
    if (reply.status != 200)
        return {};
    return std::string(json::parse(reply.body).at("images").at(0).at("url").as_string());
}

void expect_size(const std::string& png, int width, int height) {
    const auto made = worker::decode_picture(png);
    ASSERT_TRUE(made) << made.error().detail;
    EXPECT_EQ((*made)->width, width);
    EXPECT_EQ((*made)->height, height);
}

TEST(batch_worker, offers_each_model_under_its_own_name) {
    const node here;
    namespace can = session::capability;
    EXPECT_EQ(here.offered(can::text_to_image)->model, "rivulet/testcard");
    EXPECT_EQ(here.offered(can::image_to_image)->model, "rivulet/avfilter");
    EXPECT_EQ(here.offered(can::image_to_video)->model, "rivulet/kenburns");
    EXPECT_EQ(here.offered(can::upscale)->model, "rivulet/lanczos-x4");
    EXPECT_GT(here.offered(can::upscale)->capacity, 0u);
    EXPECT_TRUE(here.offered(can::upscale)->warm);
    EXPECT_FALSE(here.offered(can::llm));
    EXPECT_FALSE(here.offered(can::segment_anything_2));
}

TEST(batch_worker, offers_only_what_it_was_told_to) {
    worker::orchestrator_options only;
    only.models = {"noop", "rivulet/testcard"};
    node here(only);
    EXPECT_TRUE(here.offered(session::capability::text_to_image));
    EXPECT_FALSE(here.offered(session::capability::upscale));
    EXPECT_TRUE(here.offered(session::capability::live_video_to_video));
    const auto reply = here.post("/upscale", form_text().value("prompt", "x"));
    EXPECT_EQ(reply.status, 503);
    EXPECT_EQ(reply.body, "insufficient capacity: no model for upscale is here\n");
}

TEST(batch_worker, answers_with_pictures_inside) {
    node here;
    const auto reply = here.post(
        "/text-to-image",
        R"({"model_id":"rivulet/testcard","prompt":"a red barn","width":96,"height":64,"seed":5,)"
        R"("num_images_per_prompt":2})"
    );
    const auto url = first_url(reply);
    expect_size(bytes_of_data_url(url, "image/png"), 96, 64);
    const auto body = json::parse(reply.body);
    const auto& images = body.at("images").as_array();
    ASSERT_EQ(images.size(), 2u);
    EXPECT_EQ(images[0].at("seed"), 5);
    EXPECT_EQ(images[1].at("seed"), 6);
    EXPECT_EQ(images[1].at("nsfw"), false);
}

TEST(batch_worker, serves_a_video_as_a_file_of_its_own) {
    node here;
    auto form = form_text()
                    .file("image", picture(160, 90))
                    .value("model_id", "rivulet/kenburns")
                    .value("width", "128")
                    .value("height", "64");
    const auto url = first_url(here.post("/image-to-video", form));
    ASSERT_TRUE(url.starts_with("http://test/stream/")) << url; // as the node was called
    const auto file = ask(here.port(), request_text("GET", url.substr(url.find("/stream/"))));
    EXPECT_EQ(file.status, 200);
    EXPECT_EQ(file["Content-Type"], "video/mp4");
    EXPECT_EQ(file.body.substr(4, 4), "ftyp");
}

TEST(batch_worker, tells_what_is_wrong_with_a_request) {
    node here;
    auto reply = here.post(
        "/image-to-image",
        form_text()
            .file("image", picture(64, 64))
            .value("prompt", "a cat in the rain")
            .value("model_id", "rivulet/avfilter")
    );
    EXPECT_EQ(reply.status, 400);
    EXPECT_TRUE(reply.body.starts_with("image-to-image container returned 400: the prompt"))
        << reply.body;
    reply = here.post("/text-to-image", "{");
    EXPECT_EQ(reply.status, 400);
    reply = here.post("/text-to-image", R"({"model_id":"a/b","prompt":"x"})");
    EXPECT_EQ(reply.status, 503);
    EXPECT_EQ(reply.body, "insufficient capacity: no model \"a/b\" is here\n");
    reply = here.post("/llm", R"({"model":"a/b","messages":[{"role":"user","content":"x"}]})");
    EXPECT_EQ(reply.status, 503);
    EXPECT_EQ(reply.body, "insufficient capacity: no model for llm is here\n");
}

TEST(batch_worker, says_when_it_is_full_and_has_room_again_afterwards) {
    worker::orchestrator_options one;
    one.batch_requests = 1;
    node here(one);
    const std::string body = R"({"prompt":"x","width":64,"height":64})";
    raw_client slow(here.port());
    slow.send(request_text(
        "POST", "/text-to-image", "Content-Length: " + std::to_string(body.size()) + "\r\n"
    ));
    ASSERT_TRUE(eventually([&] {
        return here.offered(session::capability::text_to_image)->capacity == 0;
    }));
    const auto full = here.post("/text-to-image", body);
    EXPECT_EQ(full.status, 503);
    EXPECT_EQ(full.body, "insufficient capacity\n");
    EXPECT_EQ(full["Retry-After"], "1");
    slow.send(body);
    slow.deadline(60s);
    EXPECT_EQ(slow.read_reply().status, 200);
    EXPECT_TRUE(eventually([&] {
        return here.offered(session::capability::text_to_image)->capacity == 1;
    }));
}

TEST(batch_worker, stops_working_when_the_gateway_leaves) {
    worker::orchestrator_options one;
    one.batch_requests = 1;
    node here(one);
    {
        // Some seconds of work.
        raw_client client(here.port());
        client.send(request_with_body(
            "POST",
            "/text-to-image",
            R"({"prompt":"rings","width":4096,"height":4096,"num_images_per_prompt":4})"
        ));
        ASSERT_TRUE(eventually([&] {
            return here.offered(session::capability::text_to_image)->in_use == 1;
        }));
        std::this_thread::sleep_for(20ms); // into the model, most likely
    }
    const auto before = steady_clock::now();
    EXPECT_TRUE(eventually([&] {
        return here.offered(session::capability::text_to_image)->in_use == 0;
    }));
    EXPECT_LT(steady_clock::now() - before, 5s);
}

TEST(batch_worker, a_stop_ends_what_is_under_way) {
    auto here = std::make_unique<node>();
    raw_client client(here->port());
    client.send(request_with_body(
        "POST",
        "/text-to-image",
        R"({"prompt":"rings","width":4096,"height":4096,"num_images_per_prompt":4})"
    ));
    ASSERT_TRUE(eventually([&] {
        return here->offered(session::capability::text_to_image)->in_use == 1;
    }));
    const auto before = steady_clock::now();
    here.reset();
    EXPECT_LT(steady_clock::now() - before, 5s);
}

// A gateway whose only orchestrator is that node.
batch_rig_options gateway_of(const node& behind) {
    batch_rig_options made;
    made.orchestrators = 0;
    made.others = {behind.url()};
    for (const auto& each : worker::batch_models())
        made.service.reading.rules.default_models.emplace(
            session::pipeline_of(each.capability), std::string(each.name)
        );
    made.service.dispatch.attempt = 60s;
    made.service.dispatch.request = 60s;
    return made;
}

raw_reply fetch(batch_rig& rig, const std::string& url) {
    return rig.get(url.substr(url.find("/stream/")));
}

TEST(batch_worker, serves_every_pipeline_of_pictures_through_a_gateway) {
    const node behind;
    batch_rig rig(gateway_of(behind));
    auto url =
        first_url(rig.post("/text-to-image", R"({"prompt":"a blue circle","width":80,"height":48})")
        );
    auto file = fetch(rig, url);
    EXPECT_EQ(file["Content-Type"], "image/png");
    expect_size(file.body, 80, 48);

    const auto source = picture(40, 24);
    url = first_url(rig.post(
        "/image-to-image", form_text().file("image", source).value("prompt", "scale=20:12,negate")
    ));
    expect_size(fetch(rig, url).body, 20, 12);

    url =
        first_url(rig.post("/upscale", form_text().file("image", source).value("prompt", "sharper"))
        );
    expect_size(fetch(rig, url).body, 160, 96);

    url = first_url(rig.post(
        "/image-to-video",
        form_text().file("image", source).value("width", "128").value("height", "64")
    ));
    EXPECT_TRUE(url.ends_with(".mp4")) << url;
    file = fetch(rig, url);
    EXPECT_EQ(file.status, 200);
    EXPECT_EQ(file.body.substr(4, 4), "ftyp");
}

TEST(batch_worker, speaks_and_reads_through_a_gateway) {
    if (!worker::can_speak() || !worker::can_read())
        GTEST_SKIP() << "no data for espeak-ng or tesseract on this machine";
    const node behind;
    batch_rig rig(gateway_of(behind));
    const auto spoken = rig.post("/text-to-speech", R"({"text":"Good morning to all of you"})");
    ASSERT_EQ(spoken.status, 200) << spoken.body;
    const std::string url(json::parse(spoken.body).at("audio").at("url").as_string());
    EXPECT_TRUE(url.ends_with(".wav")) << url;
    const auto sound = fetch(rig, url);
    EXPECT_TRUE(sound.body.starts_with("RIFF"));
    EXPECT_GT(sound.body.size(), 20'000u);

    const auto read = rig.post(
        "/image-to-text", form_text().file("image", picture(768, 512, "Winter is coming soon"))
    );
    ASSERT_EQ(read.status, 200) << read.body;
    EXPECT_NE(read.body.find("coming soon"), std::string::npos) << read.body;

    if (!worker::can_hear())
        GTEST_SKIP() << "no data for pocketsphinx on this machine";
    const auto heard = rig.post("/audio-to-text", form_text().file("audio", sound.body));
    ASSERT_EQ(heard.status, 200) << heard.body;
    EXPECT_TRUE(json::parse(heard.body).at("chunks").is_array());
}

// What a worker hands requests to: it says who it is, and answers as a runner does.
class runner_double {
  public:
    explicit runner_double(const std::string& pipeline) {
        fake_.serve_file("/health", "application/json", R"({"status":"OK"})");
        fake_.serve_file(
            "/version",
            "application/json",
            R"({"pipeline":")" + pipeline + R"(","model_id":"a/model","version":"1.2"})"
        );
    }

    fake_batch_orchestrator* operator->() { return &fake_; }

    // A node in front of it, ready.
    std::unique_ptr<node> in_front() {
        worker::orchestrator_options options;
        options.runners = {fake_.url()};
        options.runner_kind = "ai-runner";
        auto made = std::make_unique<node>(options);
        EXPECT_TRUE(eventually([&] {
            const auto offers = made->offers();
            return !offers.empty() && offers[0].capacity == 1;
        }));
        return made;
    }

  private:
    fake_batch_orchestrator fake_;
};

TEST(batch_worker, hands_a_form_to_a_runner_as_it_came) {
    runner_double runner("image-to-text");
    const auto here = runner.in_front();
    const auto form = form_text()
                          .file("image", std::string(3'000'000, 'x'), "a.png")
                          .value("model_id", "a/model")
                          .value("something_new", "1");
    const auto reply = here->post("/image-to-text", form);
    EXPECT_EQ(reply.status, 200);
    EXPECT_EQ(reply.body, R"({"text":"a red dot"})");
    EXPECT_EQ(runner->last().body, form.body());
    EXPECT_EQ(here->post("/upscale", form).status, 503);
}

TEST(batch_worker, hands_on_what_a_runner_says_before_it_has_read_everything) {
    runner_double runner("image-to-text");
    const auto here = runner.in_front();
    batch_reply large(413, R"({"detail":{"msg":"the file is too large"}})");
    large.keep_alive = false;
    runner->answer_unread_next(large);
    const auto reply =
        here->post("/image-to-text", form_text().file("image", std::string(20'000'000, 'x')));
    EXPECT_EQ(reply.status, 413);
    EXPECT_EQ(reply.body, "image-to-text container returned 413: the file is too large\n");
}

TEST(batch_worker, passes_events_of_a_conversation_on_one_by_one) {
    runner_double runner("llm");
    const auto here = runner.in_front();
    auto held = fake_batch_orchestrator::stream({fake_batch_orchestrator::chunk("Hel")});
    held.events.pop_back(); // no [DONE]
    held.hang_after_events = true;
    runner->answer_next(held);
    raw_client client(here->port());
    client.send(request_with_body(
        "POST",
        "/llm",
        R"({"model":"a/model","stream":true,"messages":[{"role":"user","content":"x"}]})"
    ));
    const auto head = client.read_head();
    EXPECT_EQ(head.status, 200);
    EXPECT_EQ(head["Content-Type"], "text/event-stream");
    EXPECT_NE(client.read_chunk().find("Hel"), std::string::npos);
    client.close();
    EXPECT_LT(runner->wait_for_left_early(1), 2s); // and the runner need not go on
    EXPECT_TRUE(eventually([&] { return here->offers()[0].capacity == 1; }));
}

TEST(batch_worker, a_runner_that_breaks_off_is_seen_to_have_done_so) {
    runner_double runner("llm");
    const auto here = runner.in_front();
    auto cut = fake_batch_orchestrator::stream({fake_batch_orchestrator::chunk("Hel")});
    cut.events.pop_back();
    cut.cut_after_events = true;
    runner->answer_next(cut);
    raw_client client(here->port());
    client.send(request_with_body("POST", "/llm", R"({"stream":true,"messages":[]})"));
    client.read_head();
    EXPECT_NE(client.read_chunk().find("Hel"), std::string::npos);
    EXPECT_THROW(client.read_chunk(), raw_http_error);

    batch_reply gone;
    gone.cut = true;
    runner->answer_next(gone);
    const auto reply = here->post("/llm", R"({"messages":[]})");
    EXPECT_EQ(reply.status, 503);
    EXPECT_TRUE(reply.body.starts_with("insufficient capacity: ")) << reply.body;
}

TEST(batch_worker, a_bad_request_comes_back_as_one_and_is_nobodys_fault) {
    const node behind;
    batch_rig rig(gateway_of(behind));
    const auto reply = rig.post(
        "/image-to-image",
        form_text().file("image", picture(40, 24)).value("prompt", "movie=/etc/passwd")
    );
    EXPECT_EQ(reply.status, 400);
    const std::string message(json::parse(reply.body).at("error").at("message").as_string());
    EXPECT_TRUE(message.starts_with("the prompt of this model is a libavfilter graph")) << message;
    EXPECT_TRUE(rig.suspended().empty());
}

} // namespace
} // namespace rivulet::test
