import java.io.InputStream;
import java.io.OutputStream;
import java.net.ServerSocket;
import java.net.Socket;

public class TcpEcho {
    private ServerSocket serverSocket;

    public void start(int port) throws Exception {
        serverSocket = new ServerSocket(port);
        while (!serverSocket.isClosed()) {
            Socket socket = serverSocket.accept();
            try {
                echo(socket);
            } catch (java.io.IOException e) {
                System.err.println("I/O trouble: " + e);
            } finally {
                stop(socket);
            }
        }
        System.out.println("Goodbye.");
    }

    private void echo(Socket socket) throws java.io.IOException {
        InputStream in = socket.getInputStream();
        OutputStream out = socket.getOutputStream();
        byte[] chunk = new byte[10000];
        for (int n = in.read(chunk); n > 0; n = in.read(chunk)) {
            out.write(chunk, 0, n);
            out.flush();
        }
    }

    private void stop(Socket socket) throws java.io.IOException {
        socket.close();
        serverSocket.close();
    }

    public static void main(String[] args) throws Exception {
        new TcpEcho().start(Integer.parseInt(args[0]));
    }
}
