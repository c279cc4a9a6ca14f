#include "support/batch_rig.hpp"

#include "batch/catalog.hpp"
#include "http/multipart.hpp"
#include "support/batch_samples.hpp"

#include <stdexcept>
#include <thread>

namespace rivulet::test {
namespace {

constexpr std::string_view boundary = "rivulet-test-edge";

std::vector<std::string> urls_of(const std::vector<std::unique_ptr<fake_batch_orchestrator>>& fakes
) {
    std::vector<std::string> out;
    for (const auto& each : fakes)
        out.push_back(each->url());
    return out;
}

http::server_options front_options() {
    http::server_options out;
    out.error_body = [](http::status why, std::string_view message) {
        return batch::to_response(batch::api_error(why, std::string(message)), {});
    };
    return out;
}

// Where the descriptors of this process point into a folder.
std::size_t held_in(const std::filesystem::path& folder) {
    std::size_t held = 0;
    std::error_code ignored;
    for (const auto& each : std::filesystem::directory_iterator("/proc/self/fd")) {
        const auto target = std::filesystem::read_symlink(each.path(), ignored).string();
        held += target.starts_with(folder.string() + "/") ? 1 : 0;
    }
    return held;
}

} // namespace

std::string silent_wav(std::size_t seconds) {
    constexpr std::uint32_t rate = 8'000;
    const auto size = static_cast<std::uint32_t>(rate * seconds);
    std::string out;
    const auto number = [&out](std::uint32_t value, int bytes) {
        for (; bytes > 0; --bytes, value >>= 8)
            out += static_cast<char>(value & 0xff);
    };
    out += "RIFF";
    number(36 + size, 4);
    out += "WAVEfmt ";
    number(16, 4);
    number(1, 2); // PCM
    number(1, 2);
    number(rate, 4);
    number(rate, 4);
    number(1, 2);
    number(8, 2);
    out += "data";
    number(size, 4);
    return out + std::string(size, '\x80');
}

form_text& form_text::value(std::string_view name, std::string_view text) {
    parts_ += http::form_part(boundary, name, text);
    return *this;
}

form_text& form_text::file(
    std::string_view name,
    std::string_view bytes,
    std::string_view filename,
    std::string_view content_type
) {
    parts_ += http::form_file_head(boundary, name, filename, content_type);
    parts_ += bytes;
    parts_ += "\r\n";
    return *this;
}

std::string form_text::body() const {
    return parts_ + http::form_end(boundary);
}

std::string form_text::header() {
    return "Content-Type: multipart/form-data; boundary=" + std::string(boundary) + "\r\n";
}

batch_rig_options::batch_rig_options() {
    service.dispatch.attempt = std::chrono::seconds(10);
    service.dispatch.request = std::chrono::seconds(15);
    service.longest_wait = std::chrono::seconds(10);
}

batch_rig::batch_rig(std::size_t orchestrators)
    : batch_rig([orchestrators] {
          batch_rig_options out;
          out.orchestrators = orchestrators;
          return out;
      }()) {}

batch_rig::batch_rig(batch_rig_options options) : front_(shards_, front_options(), logger("http")) {
    for (std::size_t i = 0; i < options.orchestrators; ++i) {
        fakes_.push_back(std::make_unique<fake_batch_orchestrator>());
        // Where its good answer of an image-to-video says that the video is.
        fakes_.back()->serve_file("/files/clip.mp4", "video/mp4", batch_sample("clip.mp4"));
    }
    auto urls = urls_of(fakes_);
    urls.insert(urls.end(), options.others.begin(), options.others.end());
    known_ = std::make_unique<known_orchestrators>(shards_, urls);
    if (options.service.reading.spool_folder.empty())
        options.service.reading.spool_folder = folder_ / "";
    spool_folder_ = options.service.reading.spool_folder;
    auto opened = batch::service::open(
        shards_,
        known_->sessions(),
        known_->payments(),
        known_->metrics(),
        options.check,
        options.service,
        logger("batch")
    );
    if (!opened)
        throw std::runtime_error(opened.error().detail);
    service_ = std::move(*opened);
    service_->add_routes(front_);
    auto port = front_.listen("127.0.0.1:0");
    if (!port)
        throw std::runtime_error(port.error().detail);
    port_ = *port;
}

batch_rig::~batch_rig() {
    stop();
}

double batch_rig::number(const std::string& metric) {
    const auto text = metrics().text();
    const auto at = text.find("\n" + metric + " ");
    return at == text.npos ? 0 : std::stod(text.substr(at + metric.size() + 2));
}

bool batch_rig::comes_to(const std::string& metric, double least, double most) {
    const auto until = steady_clock::now() + std::chrono::seconds(8);
    for (;;) {
        const auto now = number(metric);
        if (now >= least && now <= most)
            return true;
        if (steady_clock::now() >= until)
            return false;
        std::this_thread::sleep_for(milliseconds(5));
    }
}

void batch_rig::stop() {
    front_.stop(duration::zero());
    if (service_)
        service_->stop();
    known_->stop();
    shards_.stop();
}

std::size_t batch_rig::asked() {
    std::size_t all = 0;
    for (const auto& each : fakes_)
        all += each->count();
    return all;
}

raw_reply batch_rig::post(const std::string& path, const form_text& form, std::string_view extra) {
    return post(path, form.body(), form_text::header() + std::string(extra));
}

std::string batch_rig::good_request(std::string_view pipeline, std::string_view extra) {
    const auto* kind = batch::find_pipeline(pipeline);
    if (!kind)
        throw std::runtime_error("no such pipeline");
    const auto path = "/" + std::string(pipeline);
    if (kind->body == batch::body_kind::json) {
        const std::string_view body = pipeline == "llm"
                                          ? R"({"messages":[{"role":"user","content":"hello"}]})"
                                      : pipeline == "text-to-speech" ? R"({"text":"hello"})"
                                                                     : R"({"prompt":"a cat"})";
        return request_with_body("POST", path, body, extra);
    }
    form_text form;
    if (kind->media == batch::media_kind::audio)
        form.file(kind->file_field(), silent_wav(2), "a.wav", "audio/wav");
    else
        form.file(kind->file_field(), fake_batch_orchestrator::png(), "a.png", "image/png");
    if (kind->find("prompt"))
        form.value("prompt", "a cat");
    return request_with_body("POST", path, form.body(), form_text::header() + std::string(extra));
}

std::vector<std::string> batch_rig::suspended() {
    std::vector<std::string> out;
    for (const auto& [name, pool] : known_->sessions().pools_info())
        for (const auto& [url, seconds] :
             pool.as_object().at("suspended").as_object().at("list").as_object())
            out.emplace_back(url);
    return out;
}

std::size_t batch_rig::spooled() const {
    std::size_t visible = 0;
    for (const auto& each : std::filesystem::directory_iterator(spool_folder_))
        visible += each.exists() ? 1 : 0;
    return visible + held_in(std::filesystem::canonical(spool_folder_));
}

} // namespace rivulet::test
