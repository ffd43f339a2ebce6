import java.io.*;
import java.net.*;

public class ChattyServer implements Runnable {
    private final Socket socket;

    ChattyServer(Socket socket) {
        this.socket = socket;
    }

    /** Pretends to think about the answer. */
    private static String answer(String name, String message) throws InterruptedException {
        Thread.sleep(20);
        return name + ", you wrote: " + message;
    }

    public void run() {
        try (socket) {
            BufferedReader in = new BufferedReader(new InputStreamReader(socket.getInputStream()));
            PrintStream out = new PrintStream(socket.getOutputStream(), true);
            for (String line = in.readLine(); line != null; line = in.readLine()) {
                out.println(answer(Thread.currentThread().getName(), line));
            }
        } catch (IOException | InterruptedException e) {
            e.printStackTrace();
            System.exit(1);
        }
    }

    public static void main(String[] args) throws IOException {
        ServerSocket server = new ServerSocket(Integer.parseInt(args[0]), 64);
        for (;;) {
            new Thread(new ChattyServer(server.accept())).start();
        }
    }
}
