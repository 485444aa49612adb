import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse.BodyHandlers;
import java.security.SecureRandom;
import java.security.cert.X509Certificate;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Map;
import java.util.TreeMap;
import java.util.stream.Collectors;
import javax.net.ssl.SSLContext;
import javax.net.ssl.TrustManager;
import javax.net.ssl.X509TrustManager;

/**
 * Keep-alive clients over TLS by Java's own HttpClient: `Steady.java PORT HOST CLIENTS`, half of them of HTTP/2. Prints
 * {"ready": true} when each has asked some times, asks until its standard input ends, then prints what it met from then on, and
 * whatever failed before.
 */
public class Steady {
  /** For each client, on average. The first takes Java longer than what is watched may last. */
  static final int FIRST_REQUESTS = 10;

  static volatile boolean stopped;
  static long requests;
  static final Map<String, Integer> failures = new TreeMap<>();

  public static void main(String[] args) throws Exception {
    URI uri = URI.create("https://" + args[1] + ":" + args[0] + "/");
    var threads = new ArrayList<Thread>();
    for (int i = 0; i < Integer.parseInt(args[2]); i++) {
      var version = i % 2 == 0 ? HttpClient.Version.HTTP_1_1 : HttpClient.Version.HTTP_2;
      var client = HttpClient.newBuilder().version(version).sslContext(trusting()).build();
      threads.add(new Thread(() -> work(client, uri)));
    }
    threads.forEach(Thread::start);
    while (!begun(FIRST_REQUESTS * threads.size())) Thread.sleep(10);
    System.out.println("{\"ready\": true}");
    while (System.in.read() >= 0) {}
    stopped = true;
    for (var thread : threads) thread.join();
    var kinds = failures.entrySet().stream().map(e -> "\"" + e.getKey() + "\": " + e.getValue());
    System.out.println("{\"requests\": " + requests + ", \"failures\": {" + kinds.collect(Collectors.joining(", ")) + "}}");
    System.exit(0);
  }

  /** Whether so many were asked; they are not counted then. */
  static boolean begun(int enough) {
    synchronized (failures) {
      if (requests + failures.values().stream().mapToInt(Integer::intValue).sum() < enough) return false;
      requests = 0;
      return true;
    }
  }

  static void work(HttpClient client, URI uri) {
    var request = HttpRequest.newBuilder(uri).timeout(Duration.ofSeconds(15)).build();
    while (!stopped) {
      String failure = null;
      try {
        int status = client.send(request, BodyHandlers.ofString()).statusCode();
        if (status != 200) failure = "status " + status;
        Thread.sleep(2);
      } catch (Exception error) {
        failure = error.getClass().getSimpleName();
      }
      synchronized (failures) {
        if (failure == null) requests++;
        else failures.merge(failure, 1, Integer::sum);
      }
    }
  }

  static SSLContext trusting() throws Exception {
    var context = SSLContext.getInstance("TLS");
    var all = new X509TrustManager() {
      public void checkClientTrusted(X509Certificate[] chain, String type) {}

      public void checkServerTrusted(X509Certificate[] chain, String type) {}

      public X509Certificate[] getAcceptedIssuers() {
        return new X509Certificate[0];
      }
    };
    context.init(null, new TrustManager[] {all}, new SecureRandom());
    return context;
  }
}
