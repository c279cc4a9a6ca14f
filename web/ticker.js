// A timer in a worker: pages in the background get their own timers slowed down to one a second,
// which would freeze the picture that they publish.

let timer = 0;

onmessage = ({ data: interval }) => {
    clearInterval(timer);
    if (interval > 0) timer = setInterval(() => postMessage(0), interval);
};
