#include "bench/test_clip.hpp"

#include <fmt/format.h>

#include <array>
#include <csignal>
#include <cstdio>
#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

namespace rivulet::test {
namespace {

struct finished {
    int status = -1;
    std::string output, errors;
};

std::string read_to_end(int fd) {
    std::string text;
    std::array<char, 4096> buffer;
    for (ssize_t n = 0; (n = ::read(fd, buffer.data(), buffer.size())) > 0;)
        text.append(buffer.data(), static_cast<std::size_t>(n));
    ::close(fd);
    return text;
}

// Standard error goes to a temporary file, so that one pipe is enough and nothing can block.
finished run(const std::vector<std::string>& words) {
    finished result;
    int ends[2];
    std::FILE* errors = std::tmpfile();
    if (!errors || ::pipe2(ends, O_CLOEXEC) != 0)
        return result;
    std::vector<char*> pointers;
    for (const auto& word : words)
        pointers.push_back(const_cast<char*>(word.c_str()));
    pointers.push_back(nullptr);
    const pid_t child = ::fork();
    if (child == 0) {
        sigset_t none;
        sigemptyset(&none);
        ::pthread_sigmask(SIG_SETMASK, &none, nullptr);
        ::dup2(ends[1], STDOUT_FILENO);
        ::dup2(::fileno(errors), STDERR_FILENO);
        const int nothing = ::open("/dev/null", O_RDONLY);
        ::dup2(nothing, STDIN_FILENO);
        ::execvp(pointers[0], pointers.data());
        ::_exit(127);
    }
    ::close(ends[1]);
    result.output = read_to_end(ends[0]);
    int status = 0;
    ::waitpid(child, &status, 0);
    result.status = WIFEXITED(status) ? WEXITSTATUS(status) : 128;
    std::rewind(errors);
    std::array<char, 4096> buffer;
    for (std::size_t n = 0; (n = std::fread(buffer.data(), 1, buffer.size(), errors)) > 0;)
        result.errors.append(buffer.data(), n);
    std::fclose(errors);
    return result;
}

// "h264" for the first stream of a kind ("v:0", "a:0"); empty when there is none.
std::string codec_of(const std::string& input, const std::string& stream) {
    auto text = run({"ffprobe",
                     "-v",
                     "error",
                     "-select_streams",
                     stream,
                     "-show_entries",
                     "stream=codec_name",
                     "-of",
                     "csv=p=0",
                     input})
                    .output;
    return text.substr(0, text.find_first_of("\r\n,"));
}

} // namespace

outcome<void> run_program(const std::vector<std::string>& words) {
    const auto done = run(words);
    if (done.status == 0)
        return {};
    auto why = done.status == 127 ? words[0] + " is not installed" : done.errors;
    if (why.size() > 2000)
        why = why.substr(why.size() - 2000);
    return failure(errc::media_error, fmt::format("{} failed: {}", words[0], why));
}

outcome<void> make_test_clip(const clip_shape& shape, const std::string& flv_path) {
    return run_program(
        {"ffmpeg",
         "-hide_banner",
         "-loglevel",
         "error",
         "-y",
         "-f",
         "lavfi",
         "-i",
         fmt::format("testsrc2=size={}x{}:rate={}", shape.width, shape.height, shape.fps),
         "-f",
         "lavfi",
         "-i",
         "sine=frequency=440:beep_factor=4:sample_rate=48000",
         "-t",
         std::to_string(shape.seconds),
         "-c:v",
         "libx264",
         "-preset",
         "superfast",
         "-tune",
         "zerolatency",
         "-profile:v",
         "high",
         "-pix_fmt",
         "yuv420p",
         "-bf",
         "0",
         "-g",
         std::to_string(shape.fps * shape.keyframe_each),
         "-b:v",
         fmt::format("{}k", shape.video_kbps),
         "-maxrate",
         fmt::format("{}k", shape.video_kbps),
         "-bufsize",
         fmt::format("{}k", shape.video_kbps),
         "-c:a",
         "aac",
         "-b:a",
         "128k",
         "-ac",
         "2",
         "-f",
         "flv",
         flv_path}
    );
}

outcome<void> make_clip_from(const std::string& input, int seconds, const std::string& flv_path) {
    const auto video = codec_of(input, "v:0");
    if (video.empty())
        return failure(errc::media_error, input + " holds no video that ffmpeg can read");
    std::vector<std::string> words{
        "ffmpeg",
        "-hide_banner",
        "-loglevel",
        "error",
        "-y",
        "-t",
        std::to_string(seconds),
        "-i",
        input,
        "-map",
        "0:v:0",
        "-map",
        "0:a:0?"};
    if (video == "h264")
        words.insert(words.end(), {"-c:v", "copy"});
    else
        words.insert(
            words.end(),
            {"-vf",
             "scale=trunc(iw/2)*2:trunc(ih/2)*2",
             "-c:v",
             "libx264",
             "-preset",
             "superfast",
             "-pix_fmt",
             "yuv420p",
             "-bf",
             "0",
             "-force_key_frames",
             "expr:gte(t,n_forced)"}
        );
    if (codec_of(input, "a:0") == "aac")
        words.insert(words.end(), {"-c:a", "copy"});
    else
        words.insert(words.end(), {"-c:a", "aac", "-b:a", "128k", "-ar", "48000", "-ac", "2"});
    words.insert(words.end(), {"-f", "flv", flv_path});
    return run_program(words);
}

} // namespace rivulet::test
