import java.io.*;
import java.net.*;
import java.util.concurrent.*;
import java.util.concurrent.atomic.AtomicInteger;

public class Reception {
    private static final AtomicInteger counter = new AtomicInteger();

    private static void receive(Socket socket) {
        int id = counter.incrementAndGet();
        System.out.println("client " + id + " from " + socket.getRemoteSocketAddress());
        try (socket;
             BufferedReader in = new BufferedReader(new InputStreamReader(socket.getInputStream()));
             Writer out = new OutputStreamWriter(socket.getOutputStream())) {
            String line = in.readLine();
            if (line != null) {
                out.write("client " + id + " wrote: " + line + "\r\n");
                out.flush();
            }
        } catch (IOException e) {
            System.out.println("client " + id + ": " + e.getMessage());
        }
    }

    public static void main(String[] args) throws IOException {
        ExecutorService pool = Executors.newCachedThreadPool();
        try (ServerSocket server = new ServerSocket(Integer.parseInt(args[0]), 100)) {
            while (true) {
                Socket socket = server.accept();
                pool.execute(() -> receive(socket));
            }
        }
    }
}
